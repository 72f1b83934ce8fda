// The frame of every page: headline, navigation, language and theme, messages that appear and go.
import { Component, render, type ComponentChildren, type ComponentType } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { watchKeys } from './keys';
import { at, takeLinks, useRoute } from './router';
import { language, setLanguage, t } from './words';

// ---- theme ----

type Theme = 'auto' | 'light' | 'dark';
const THEME = 'raudal.theme'; // begin.js reads it too
const storedTheme = (): Theme => (localStorage.getItem(THEME) as Theme | null) ?? 'auto';
const themeListeners = new Set<() => void>();
const prefersDark = matchMedia('(prefers-color-scheme: dark)');

function applyTheme(): void {
  const theme = storedTheme();
  const dark = theme === 'dark' || (theme === 'auto' && prefersDark.matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  themeListeners.forEach((listener) => listener());
}
prefersDark.addEventListener('change', applyTheme);

export function onThemeChange(listener: () => void): () => void {
  themeListeners.add(listener);
  return () => void themeListeners.delete(listener);
}

// ---- messages ----

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}
let toasts: Toast[] = [];
let nextToast = 1;
let drawToasts = (_: Toast[]): void => {};

export function toast(text: string, bad = false): void {
  const id = nextToast++;
  toasts = [...toasts.slice(-3), { id, text, bad }];
  drawToasts(toasts);
  setTimeout(() => dropToast(id), bad ? 8000 : 4000);
}
function dropToast(id: number): void {
  toasts = toasts.filter((other) => other.id !== id);
  drawToasts(toasts);
}

function Toasts() {
  const [shown, setShown] = useState(toasts);
  drawToasts = setShown;
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map((one) => (
        <div key={one.id} class={one.bad ? 'toast bad' : 'toast'}>
          <span>{one.text}</span>
          <button type="button" class="plain" aria-label={t('close')} onClick={() => dropToast(one.id)}><Icon name="close" /></button>
        </div>
      ))}
    </div>
  );
}

// ---- icons: strokes on a 16 × 16 grid ----

const PATHS = {
  close: 'M4 4l8 8M12 4l-8 8',
  search: 'M7 2.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM10.5 10.5L14 14',
  sun: 'M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8L13 13M13 3l-1.2 1.2M4.2 11.8L3 13',
  moon: 'M13.5 9.7A6 6 0 116.3 2.5a4.8 4.8 0 007.2 7.2z',
  half: 'M8 2a6 6 0 100 12A6 6 0 008 2zM8 2v12M10 3v10M12 4.5v7',
  plus: 'M8 3v10M3 8h10',
  trash: 'M2.5 4.5h11M6 4.5V2.8h4v1.7M4 4.5l.7 8.7h6.6l.7-8.7M6.7 7v4M9.3 7v4',
  edit: 'M3 13l.6-2.9 7.3-7.3 2.3 2.3-7.3 7.3L3 13z',
  up: 'M8 13V3.5M4 7l4-4 4 4',
  down: 'M8 3v9.5M4 9l4 4 4-4',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
  unfold: 'M3 6l5 5 5-5',
  more: 'M3.2 8v.01M8 8v.01M12.8 8v.01',
  play: 'M4.5 3v10l8-5-8-5z',
  stop: 'M4 4h8v8H4z',
  pause: 'M5.5 3v10M10.5 3v10',
  download: 'M8 2v8M4.5 7L8 10.5 11.5 7M2.5 13.5h11',
  upload: 'M8 10.5V2.5M4.5 6L8 2.5 11.5 6M2.5 13.5h11',
  copy: 'M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1',
  send: 'M2 8l12-5.5L10.5 14 8 9 2 8zM8 9l6-6.5',
  empty: 'M2.5 9.5l2-6.5h7l2 6.5v3.5h-11V9.5zM2.5 9.5h3l1 1.5h3l1-1.5h3',
  folder: 'M1.8 4h4.4l1.3 1.6h6.7v7.6H1.8z',
  file: 'M4 1.8h5l3 3v9.4H4zM9 1.8v3h3',
  info: 'M8 2a6 6 0 100 12A6 6 0 008 2zM8 7.3v3.5M8 5.2v.01',
  warning: 'M8 2.2L14.5 13.5h-13L8 2.2zM8 6.5v3.2M8 11.6v.01',
  reset: 'M3 8a5 5 0 105-5H4.5M6.5 1L4.5 3l2 2',
} as const;
export type IconName = keyof typeof PATHS;
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d={PATHS[name]} /></svg>
  );
}

// ---- the frame ----

export type PageName = 'kafka' | 'spark' | 'worker' | 'hdfs';

export interface NavItem {
  path: string; // route; '' is the start
  label: string;
  owns: string[]; // first segments of the routes that belong to it; '' the start
}

// Another page has its own port; behind a proxy the port is part of the path. data-ports: "kafka=8080 spark=8081 …"
function pageAddress(port: string): string {
  const own = document.documentElement.dataset.port ?? location.port;
  if (location.port === own) return `${location.protocol}//${location.hostname}:${port}/`;
  return at('').includes(`/${own}/`) ? at('').replace(`/${own}/`, `/${port}/`) : `${location.protocol}//${location.hostname}:${port}/`;
}

function Pages({ page }: { page: PageName }) {
  const ports = (document.documentElement.dataset.ports ?? '').split(' ').filter((pair) => pair !== '');
  if (ports.length < 2) return null;
  return (
    <nav class="pages" aria-label={t('pages')}>
      {ports.map((pair) => {
        const [name, port] = pair.split('=') as [PageName, string];
        return name === page
          ? <a key={name} href={at('')} data-route aria-current="true">{t(name)}</a>
          : <a key={name} href={pageAddress(port)}>{t(name)}</a>;
      })}
    </nav>
  );
}

function ThemeSwitch() {
  const [theme, setTheme] = useState(storedTheme);
  const next: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };
  const name = { auto: t('themeAuto'), light: t('themeLight'), dark: t('themeDark') }[theme];
  const choose = (): void => {
    localStorage.setItem(THEME, next[theme]);
    setTheme(next[theme]);
    applyTheme();
  };
  return (
    <button type="button" class="plain" onClick={choose} title={`${t('themeTip')}: ${name}`} aria-label={`${t('themeTip')}: ${name}`}>
      <Icon name={theme === 'auto' ? 'half' : theme === 'light' ? 'sun' : 'moon'} />
    </button>
  );
}

// Header with the navigation of this page, then the content.
export function Shell({ page, nav, children }: { page: PageName; nav: NavItem[]; children: ComponentChildren }) {
  const first = useRoute().path[0] ?? '';
  return (
    <>
      <a class="skip" href="#content">{t('skip')}</a>
      <header class="top">
        <a class="brand" href={at('')} data-route><img src={at('assets/icon.svg')} alt="" width="22" height="22" />Raudal</a>
        <Pages page={page} />
        <div class="tools">
          <button type="button" class="plain" lang={language === 'es' ? 'en' : 'es'} title={t('languageTip')}
            onClick={() => setLanguage(language === 'es' ? 'en' : 'es')}>{t('language')}</button>
          <ThemeSwitch />
        </div>
      </header>
      {nav.length > 1 && (
        <nav class="sections" aria-label={t(page)}>
          {nav.map((item) => (
            <a key={item.path} href={at(item.path)} data-route aria-current={item.owns.includes(first) ? 'page' : undefined}>
              {item.label}
            </a>
          ))}
        </nav>
      )}
      <main id="content" tabIndex={-1}>{children}</main>
      <Toasts />
    </>
  );
}

class Guard extends Component<{ children: ComponentChildren }, { failure: Error | null }> {
  override state = { failure: null as Error | null };
  static getDerivedStateFromError(failure: Error) {
    return { failure };
  }
  render() {
    return this.state.failure === null ? this.props.children : <Failure error={this.state.failure} />;
  }
}

export function Failure({ error }: { error: Error }) {
  return <p class="notice bad" role="alert"><Icon name="warning" /> {error.message}</p>;
}

export function NotFound() {
  return <div class="empty"><p>{t('notFound')}</p><a class="button" href={at('')} data-route>{t('home')}</a></div>;
}

// Sets the window's title while shown.
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Raudal`;
  }, [title]);
}

// A menu behind a button with three dots; closes on a choice, on Escape and when the focus leaves.
export function Menu({ label, children }: { label: string; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  // Beside its button on the window itself, so that no scrolling box cuts it off; above it where there is no room below.
  useLayoutEffect(() => {
    if (!open || !list.current) return undefined;
    const place = (): void => {
      if (!list.current || !box.current) return;
      const button = box.current.getBoundingClientRect();
      const height = list.current.offsetHeight;
      const below = button.bottom + height < innerHeight || button.top < height;
      list.current.style.top = `${below ? button.bottom : button.top - height}px`;
      list.current.style.right = `${document.documentElement.clientWidth - button.right}px`;
    };
    place();
    addEventListener('scroll', place, { capture: true, passive: true });
    addEventListener('resize', place);
    return () => {
      removeEventListener('scroll', place, { capture: true });
      removeEventListener('resize', place);
    };
  }, [open]);
  const leave = (event: FocusEvent): void => {
    if (!box.current?.contains(event.relatedTarget as Node | null)) setOpen(false);
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && open) {
      event.stopPropagation();
      setOpen(false);
      box.current?.querySelector('button')?.focus();
    } else if (open && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      const items = [...box.current!.querySelectorAll<HTMLElement>('.menu button, .menu a')];
      const now = items.indexOf(document.activeElement as HTMLElement);
      items[(now + (event.key === 'ArrowDown' ? 1 : items.length - 1) + items.length) % items.length]?.focus();
    }
  };
  return (
    <div class="menubox" ref={box} onFocusOut={leave} onKeyDown={keys}>
      <button type="button" class="plain" aria-haspopup="true" aria-expanded={open} aria-label={label} title={label}
        onClick={() => setOpen(!open)}><Icon name="more" /></button>
      {open && <div class="menu" ref={list} onClick={() => setOpen(false)}>{children}</div>}
    </div>
  );
}

// Takes the page over from the plain HTML.
export function start(App: ComponentType): void {
  document.documentElement.lang = language;
  applyTheme();
  takeLinks();
  watchKeys();
  const body = document.getElementById('page')!;
  body.replaceChildren();
  body.classList.add('alive');
  render(<Guard><App /></Guard>, body);
}
