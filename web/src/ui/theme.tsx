import { useSyncExternalStore } from 'react';
import type { Theme } from '../state/storage';
import { loadTheme, saveTheme } from '../state/storage';
import { MoonIcon, SunIcon } from './icons';
import { IconButton } from './parts';

const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();
let chosen: Theme | null = loadTheme();

const tell = (): void => listeners.forEach((listener) => listener());
const shown = (): Theme => chosen ?? (dark.matches ? 'dark' : 'light');

/** Puts the chosen theme on the page; without a choice the style sheet follows the system by itself. */
export const applyTheme = (): void => {
  if (chosen) document.documentElement.dataset['theme'] = chosen;
  else delete document.documentElement.dataset['theme'];
};

export const chooseTheme = (theme: Theme | null): void => {
  chosen = theme;
  saveTheme(theme);
  applyTheme();
  tell();
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  dark.addEventListener('change', listener);
  return () => {
    listeners.delete(listener);
    dark.removeEventListener('change', listener);
  };
};

export const useTheme = (): Theme => useSyncExternalStore(subscribe, shown);
export const useThemeChoice = (): Theme | null => useSyncExternalStore(subscribe, () => chosen);

export const ThemeToggle = () => {
  const theme = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <IconButton label={`Use the ${other} theme`} testid="theme-toggle" onClick={() => chooseTheme(other)}>
      {theme === 'dark' ? <SunIcon /> : <MoonIcon />}
    </IconButton>
  );
};
