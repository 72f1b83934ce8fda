// The server: requests, and data that stays fresh while the page is looked at.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { at } from './router';
import { t } from './words';

export class ApiError extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const isText = typeof body === 'string' || body instanceof Blob;
  const init: RequestInit = { method, signal: signal ?? null, cache: 'no-store' };
  if (body !== undefined) {
    init.body = isText ? (body as BodyInit) : JSON.stringify(body);
    init.headers = { 'Content-Type': isText ? 'application/octet-stream' : 'application/json' };
  }
  let response: Response;
  try {
    response = await fetch(at(path), init);
  } catch (failure) {
    if (signal?.aborted) throw failure;
    throw new ApiError(t('unreachable'), 0);
  }
  if (response.ok) return response;
  const text = await response.text();
  let message = text.trim();
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? message;
  } catch {
    // Plain text it is.
  }
  throw new ApiError(message || `${response.status} ${response.statusText}`, response.status);
}

// Sends and reads JSON; an answer without a body gives undefined. Throws ApiError with the server's sentence.
export async function send<T = void>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const text = await (await request(method, path, body, signal)).text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => send<T>('GET', path, undefined, signal);

// One question at a time to a path that answers once something is new, shared by everything on the page that waits for
// it: browsers open few connections to one server. It is given up while the tab is hidden.
class Watch {
  private version = 0;
  private waiting: { resolve: (version: number) => void; reject: (failure: unknown) => void }[] = [];
  private running = false;

  constructor(private readonly path: string) {}

  // The version as soon as it is not `after`, and now and then anyway, so that what ages on the screen is drawn anew.
  next(after: number): Promise<number> {
    if (this.version !== 0 && this.version !== after) return Promise.resolve(this.version);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      if (document.hidden) await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
      const stop = new AbortController();
      const hide = (): void => stop.abort();
      document.addEventListener('visibilitychange', hide);
      try {
        this.version = (await get<{ version: number }>(`${this.path}?after=${this.version}`, stop.signal)).version;
        this.waiting.splice(0).forEach((one) => one.resolve(this.version));
        await new Promise((resolve) => setTimeout(resolve)); // so that those who wait on are counted
      } catch (failure) {
        if (!stop.signal.aborted) this.waiting.splice(0).forEach((one) => one.reject(failure));
      }
      document.removeEventListener('visibilitychange', hide);
    }
    this.running = false;
  }
}
const watches = new Map<string, Watch>();

// `after` 0: the present version, at once.
export function waitForChange(path: string, after: number): Promise<number> {
  let watch = watches.get(path);
  if (!watch) watches.set(path, (watch = new Watch(path)));
  return watch.next(after);
}

export interface Live<T> {
  data: T | null; // null until the first answer
  error: ApiError | null; // of the last try; the data of the one before stays
  refresh: () => void;
}

// Asks for `path` again and again while the tab is visible. With `changes`, a path that answers {"version": n} and, asked
// with ?after=n, only once something is new, it asks when told; else every `every` milliseconds. null asks for nothing.
export function useLive<T>(path: string | null, options: { every?: number; changes?: string } = {}): Live<T> {
  const { every = 2000, changes } = options;
  const [state, setState] = useState<{ path: string | null; data: T | null; error: ApiError | null }>({
    path: null, data: null, error: null });
  const [round, setRound] = useState(0);
  const refresh = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    if (path === null) return undefined;
    const stop = new AbortController();
    let wake = (): void => {};
    const pause = (ms: number): Promise<void> =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => (clearTimeout(timer), resolve());
      });
    const visible = (): void => wake();
    document.addEventListener('visibilitychange', visible);

    const run = async (): Promise<void> => {
      let version = 0;
      while (!stop.signal.aborted) {
        if (document.hidden) {
          await pause(3600_000);
          continue;
        }
        try {
          if (changes !== undefined) version = await waitForChange(changes, version);
          if (stop.signal.aborted) return;
          const data = await get<T>(path, stop.signal);
          setState({ path, data, error: null });
          await pause(changes === undefined ? every : 500);
        } catch (failure) {
          if (stop.signal.aborted) return;
          setState((old) => ({ path, data: old.path === path ? old.data : null, error: failure as ApiError }));
          await pause(2000);
        }
      }
    };
    void run();
    return () => {
      document.removeEventListener('visibilitychange', visible);
      stop.abort();
      wake();
    };
  }, [path, every, changes, round]);

  // What was there stays on the screen while the next page of a list is on its way.
  return { data: state.data, error: state.path === path ? state.error : null, refresh };
}

// The last values of a number, one each `every` milliseconds while visible: what a sparkline shows.
export function useHistory(value: number | null, length = 60, every = 2000): number[] {
  const [history, setHistory] = useState<number[]>([]);
  const latest = useRef(value);
  latest.current = value;
  useEffect(() => {
    const timer = setInterval(() => {
      const now = latest.current;
      if (now !== null && !document.hidden) setHistory((old) => [...old.slice(1 - length), now]);
    }, every);
    return () => clearInterval(timer);
  }, [length, every]);
  return history;
}
