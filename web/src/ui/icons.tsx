import type { ReactElement } from 'react';

const icon = (path: ReactElement) => {
  const Icon = ({ size = 20 }: { size?: number }) => (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.9"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {path}
    </svg>
  );
  return Icon;
};

export const PlusIcon = icon(<path d="M12 5v14M5 12h14" />);
export const LinkIcon = icon(
  <path d="M10 13.5a4.5 4.5 0 0 0 6.8.5l2.4-2.4a4.6 4.6 0 0 0-6.5-6.5L11.5 6.3M14 10.5a4.5 4.5 0 0 0-6.8-.5l-2.4 2.4a4.6 4.6 0 0 0 6.5 6.5l1.2-1.2" />,
);
export const HashIcon = icon(<path d="M9.5 4 7.5 20M16.5 4l-2 16M4.5 9h16M3.5 15h16" />);
export const SunIcon = icon(
  <>
    <circle cx="12" cy="12" r="4.2" />
    <path d="M12 2.5v2M12 19.5v2M4.2 4.2l1.5 1.5M18.3 18.3l1.5 1.5M2.5 12h2M19.5 12h2M4.2 19.8l1.5-1.5M18.3 5.7l1.5-1.5" />
  </>,
);
export const MoonIcon = icon(<path d="M20.5 14.2A8.6 8.6 0 1 1 9.8 3.5a6.8 6.8 0 0 0 10.7 10.7Z" />);
export const GearIcon = icon(
  <>
    <circle cx="12" cy="12" r="3" />
    <path d="M19.2 14.6a1.6 1.6 0 0 0 .3 1.8 2 2 0 1 1-2.9 2.9 1.6 1.6 0 0 0-2.7 1.1 2 2 0 0 1-4 0 1.6 1.6 0 0 0-2.7-1.1 2 2 0 1 1-2.9-2.9 1.6 1.6 0 0 0-1.1-2.7 2 2 0 0 1 0-4 1.6 1.6 0 0 0 1.1-2.7 2 2 0 1 1 2.9-2.9 1.6 1.6 0 0 0 2.7-1.1 2 2 0 0 1 4 0 1.6 1.6 0 0 0 2.7 1.1 2 2 0 1 1 2.9 2.9 1.6 1.6 0 0 0 1.1 2.7 2 2 0 0 1 0 4 1.6 1.6 0 0 0-1.4.9Z" />
  </>,
);
export const ExitIcon = icon(<path d="M9.5 20H6a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2h3.5M15.5 16.5 20 12l-4.5-4.5M20 12H9.5" />);
export const PeopleIcon = icon(
  <>
    <circle cx="9" cy="8" r="3.5" />
    <path d="M2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M15.8 4.8a3.5 3.5 0 0 1 0 6.4M18 14.6c2.1.8 3.5 2.8 3.5 5.4" />
  </>,
);
export const InviteIcon = icon(
  <>
    <circle cx="10" cy="8" r="3.7" />
    <path d="M3 20.5c0-3.8 3.1-6.3 7-6.3 1.6 0 3 .4 4.2 1.1M18.5 14v7M15 17.5h7" />
  </>,
);
export const MenuIcon = icon(<path d="M4 6.5h16M4 12h16M4 17.5h16" />);
export const CloseIcon = icon(<path d="M6 6l12 12M18 6 6 18" />);
export const PenIcon = icon(<path d="M4 20l.9-4L16.2 4.7a2.2 2.2 0 0 1 3.1 3.1L8 19.1 4 20ZM14 7l3 3" />);
export const BinIcon = icon(<path d="M4.5 7h15M10 3.5h4M6.5 7l.9 12a1.8 1.8 0 0 0 1.8 1.6h5.6a1.8 1.8 0 0 0 1.8-1.6l.9-12M10.2 11v6M13.8 11v6" />);
export const SendIcon = icon(<path d="M4.5 12 3.6 4.8c-.1-.8.7-1.4 1.4-1L20.6 11a1.1 1.1 0 0 1 0 2L5 20.2c-.7.4-1.5-.2-1.4-1L4.5 12Zm0 0h7" />);
export const DownIcon = icon(<path d="M6 9.5l6 6 6-6" />);
export const CopyIcon = icon(
  <>
    <rect x="8.5" y="8.5" width="12" height="12" rx="2.5" />
    <path d="M5.5 15.5h-.3a1.7 1.7 0 0 1-1.7-1.7V5.2a1.7 1.7 0 0 1 1.7-1.7h8.6a1.7 1.7 0 0 1 1.7 1.7v.3" />
  </>,
);
export const CheckIcon = icon(<path d="M4.5 12.5 10 18 19.5 7" />);
export const ClockIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M12 7.5V12l3 2" />
  </>,
);
export const AlertIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M12 8v4.5M12 15.8v.1" />
  </>,
);
export const CrownIcon = icon(<path d="M4 17.5 3 8l5.2 3.7L12 5.5l3.8 6.2L21 8l-1 9.5H4Z" />);

export const Logo = ({ size = 32 }: { size?: number }) => (
  <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" className="logo">
    <rect width="32" height="32" rx="9" fill="#0f766e" />
    <g fill="none" stroke="#e6fffb" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round">
      <path d="M9.5 22.5v-13l13 13v-13" />
    </g>
    <g fill="#5eead4">
      <circle cx="9.5" cy="9.5" r="2.9" />
      <circle cx="22.5" cy="22.5" r="2.9" />
    </g>
    <g fill="#fff">
      <circle cx="9.5" cy="22.5" r="2.9" />
      <circle cx="22.5" cy="9.5" r="2.9" />
    </g>
  </svg>
);
