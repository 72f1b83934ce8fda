// Where the file browser is: explorer.html#/path, as the NameNode's own page has it; explorer/path, the plain HTML's way,
// leads to the same. Search, order and page are arguments and end with the folder.
import { useEffect, useState } from 'preact/hooks';
import { at, navigate, type Route } from '../base/router';
import { clean } from './webhdfs';

const fromHash = (): string => {
  try {
    return clean(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return '/';
  }
};

// '#' and what the address bar would take for something else are encoded; the rest stays legible.
const hashOf = (path: string): string => '#' + path.split('/').map((part) => encodeURIComponent(part)).join('/');

export const placeOf = (path: string): string => at('explorer.html') + hashOf(path);

export function go(path: string): void {
  navigate('explorer.html' + hashOf(path));
}

// An ordinary click stays inside the page; the link is a real one for everything else.
export function follow(event: MouseEvent, path: string): void {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(path);
}

export function usePlace(route: Route): string {
  const now = route.path[0] === 'explorer' ? clean(route.path.slice(1).join('/')) : fromHash();
  const [place, setPlace] = useState(now);
  useEffect(() => {
    const changed = (): void => setPlace(fromHash());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  useEffect(() => setPlace(now), [now]);
  return place;
}
