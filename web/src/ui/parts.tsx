import type { ButtonHTMLAttributes, CSSProperties, FormEvent, KeyboardEvent, ReactNode } from 'react';
import { useEffect, useId, useRef, useState } from 'react';
import type { Id } from '../net/types';
import { CloseIcon } from './icons';
import { errorText, hueOf, initials } from './names';

export const Avatar = ({ id, name, status, size = 40 }: { id: Id; name: string; status?: string; size?: number }) => (
  <span className="avatar" style={{ '--hue': hueOf(id), '--size': `${size}px` } as CSSProperties} aria-hidden="true">
    {initials(name)}
    {status !== undefined && <span className={`dot dot-${status}`} />}
  </span>
);

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  testid?: string;
  children: ReactNode;
}

/** A button that shows only a picture; the label is for the tooltip and for those who do not see it. */
export const IconButton = ({ label, testid, children, className = '', ...rest }: IconButtonProps) => (
  <button type="button" className={`icon-button ${className}`} aria-label={label} title={label} data-testid={testid} {...rest}>
    {children}
  </button>
);

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

/** A modal dialog. The platform's own element keeps the focus inside and closes on Escape. */
export const Dialog = ({ title, onClose, children, wide }: DialogProps) => {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    dialog?.querySelector<HTMLElement>('[data-autofocus]')?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      className={wide ? 'dialog dialog-wide' : 'dialog'}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <IconButton label="Close" onClick={onClose}>
            <CloseIcon />
          </IconButton>
        </header>
        {children}
      </div>
    </dialog>
  );
};

/** Runs what a form does: busy while it runs, and says what went wrong. */
export const useTask = () => {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);
  const run = async (task: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      await task();
      return true;
    } catch (caught) {
      if (alive.current) setError(caught);
      return false;
    } finally {
      if (alive.current) setBusy(false);
    }
  };
  return { busy, error, run, message: error === null ? null : errorText(error), reset: () => setError(null) };
};

export const ErrorLine = ({ children }: { children: ReactNode }) =>
  children ? (
    <p className="error-line" role="alert">
      {children}
    </p>
  ) : null;

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  testid?: string;
  type?: string;
  hint?: string;
  error?: string | undefined;
  autoComplete?: string;
  maxLength?: number;
  placeholder?: string;
  required?: boolean;
  autoFocus?: boolean;
}

export const Field = ({ label, value, onChange, testid, hint, error, autoFocus, ...rest }: FieldProps) => {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        value={value}
        data-testid={testid}
        data-autofocus={autoFocus ? '' : undefined}
        autoFocus={autoFocus}
        aria-invalid={error !== undefined}
        aria-describedby={hint || error ? `${id}-note` : undefined}
        spellCheck={false}
        autoCapitalize="none"
        onChange={(event) => onChange(event.target.value)}
        {...rest}
      />
      {(error ?? hint) && (
        <small id={`${id}-note`} className={error ? 'field-error' : undefined} role={error ? 'alert' : undefined}>
          {error ?? hint}
        </small>
      )}
    </div>
  );
};

export const submit = (fn: () => void) => (event: FormEvent) => {
  event.preventDefault();
  fn();
};

export interface MenuItem {
  label: string;
  icon: ReactNode;
  onPick: () => void;
  danger?: boolean;
}

/** A button that opens a short list of things to do. */
export const Menu = ({ label, items, className, children }: { label: string; items: MenuItem[]; className: string; children: ReactNode }) => {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus();
    const outside = (event: Event): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener('pointerdown', outside);
    return () => removeEventListener('pointerdown', outside);
  }, [open]);
  const keys = (event: KeyboardEvent): void => {
    if (!open) return;
    const all = [...(box.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      all[(at + step + all.length) % all.length]?.focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      setOpen(false);
      if (event.key === 'Escape') button.current?.focus();
    }
  };
  return (
    <div className="menu-box" ref={box} onKeyDown={keys}>
      <button
        ref={button}
        type="button"
        className={className}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={label}
        onClick={() => setOpen(!open)}
      >
        {children}
      </button>
      {open && (
        <div className="menu" role="menu" aria-label={label}>
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              className={item.danger ? 'menu-item danger' : 'menu-item'}
              onClick={() => {
                setOpen(false);
                item.onPick();
              }}
            >
              <span>{item.label}</span>
              {item.icon}
            </button>
          ))}
        </div>
      )}
    </div>
  );
};
