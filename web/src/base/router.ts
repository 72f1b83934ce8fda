// Addresses. The server tells how far up the page's root is (data-root), so that everything works behind a proxy's path;
// inside the page, routes are paths below that root: "" is the start, "topics/clicks" a topic.
import { useEffect, useState } from 'preact/hooks';

const root = new URL(document.documentElement.dataset.root ?? './', location.href).pathname;

// The absolute path of a route or an API resource.
export const at = (path: string): string => root + path;
export const encode = encodeURIComponent;

export interface Route {
  path: string[]; // decoded segments
  query: URLSearchParams;
}

function current(): Route {
  const path = location.pathname.slice(root.length).split('/').filter((part) => part !== '');
  return { path: path.map(decodeURIComponent), query: new URLSearchParams(location.search) };
}

const listeners = new Set<() => void>();
const changed = (): void => listeners.forEach((listener) => listener());
addEventListener('popstate', changed);

export function navigate(path: string, replace = false): void {
  history[replace ? 'replaceState' : 'pushState'](null, '', at(path));
  if (!replace) scrollTo(0, 0);
  changed();
}

// Changes arguments of the present address; null and '' take one away.
export function setQuery(values: Record<string, string | number | null>, replace = true): void {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values))
    if (value === null || value === '') url.searchParams.delete(name);
    else url.searchParams.set(name, String(value));
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
  changed();
}

export function useRoute(): Route {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    const listener = (): void => setRoute(current());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return route;
}

// Ordinary links stay inside the page: called once by start().
export function takeLinks(): void {
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest?.('a');
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.target || link.hasAttribute('download') || link.origin !== location.origin || !('route' in link.dataset)) return;
    event.preventDefault();
    navigate(link.pathname.slice(root.length) + link.search);
  });
}
