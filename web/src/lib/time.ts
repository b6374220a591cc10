const day = (ms: number): number => {
  const d = new Date(ms);
  return new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
};

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const dateFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const shortFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export const clockTime = (ms: number): string => clockFormat.format(ms);
export const fullTime = (ms: number): string => fullFormat.format(ms);
export const shortTime = (ms: number): string => shortFormat.format(ms);
export const sameDay = (a: number, b: number): boolean => day(a) === day(b);

export const dayName = (ms: number, now: number): string => {
  const apart = Math.round((day(now) - day(ms)) / 86400000);
  if (apart === 0) return 'Today';
  if (apart === 1) return 'Yesterday';
  return dateFormat.format(ms);
};
