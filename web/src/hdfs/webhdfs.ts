// WebHDFS, which the same port serves. No user is named: the pages act as the person who runs Raudal.
import { ApiError } from '../base/api';
import { at } from '../base/router';
import { t as common } from '../base/words';

export interface Entry {
  name: string;
  directory: boolean;
  size: number;
  modified: number;
  mode: number;
  replication: number;
  blockSize: number;
  owner: string;
  group: string;
}

export const join = (folder: string, name: string): string => (folder === '/' ? '/' : folder + '/') + name;
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

// A path as people type it: blanks around it, double and closing slashes do not matter.
export const clean = (text: string): string => '/' + text.trim().split('/').filter((part) => part !== '').join('/');

export function address(path: string, op: string, values: Record<string, string | number | boolean> = {}): string {
  const query = new URLSearchParams({ op });
  for (const [name, value] of Object.entries(values)) query.set(name, String(value));
  return at(`webhdfs/v1${encodePath(path === '/' ? '' : path)}?${query}`);
}

// The first line of a Hadoop exception is its sentence; what follows is advice or a trace.
export function failureOf(status: number, text: string): ApiError {
  let message = text.trim();
  try {
    message = (JSON.parse(text) as { RemoteException: { message: string } }).RemoteException.message;
  } catch {
    // Plain text it is.
  }
  return new ApiError(message || `${status}`, status);
}

export async function call<T>(method: string, path: string, op: string, values: Record<string, string | number | boolean> = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address(path, op, values), { method, cache: 'no-store' });
  } catch {
    throw new ApiError(common('unreachable'), 0);
  }
  const text = await response.text();
  if (!response.ok) throw failureOf(response.status, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

export interface ContentSummary {
  fileCount: number;
  directoryCount: number;
  length: number;
}
export const summarize = async (path: string): Promise<ContentSummary> =>
  (await call<{ ContentSummary: ContentSummary }>('GET', path, 'GETCONTENTSUMMARY')).ContentSummary;

export async function exists(path: string): Promise<boolean> {
  try {
    await call('GET', path, 'GETFILESTATUS');
    return true;
  } catch (failure) {
    if ((failure as ApiError).status === 404) return false;
    throw failure;
  }
}

// A piece of a file, as bytes.
export async function read(path: string, offset: number, length: number): Promise<Uint8Array> {
  const response = await fetch(address(path, 'OPEN', { offset, length }), { cache: 'no-store' });
  if (!response.ok) throw failureOf(response.status, await response.text());
  return new Uint8Array(await response.arrayBuffer());
}

// One file up, with its progress. XMLHttpRequest, because fetch does not tell how far an upload is. The argument
// namenoderpcaddress says that the data comes with this request: without it an empty file would be redirected.
export function upload(file: File, path: string, overwrite: boolean, progress: (part: number) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', address(path, 'CREATE', { overwrite, namenoderpcaddress: 'page' }));
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => progress(event.lengthComputable && event.total > 0 ? event.loaded / event.total : 0);
    request.onload = () => (request.status < 300 ? resolve() : reject(failureOf(request.status, request.responseText)));
    request.onerror = () => reject(new ApiError(common('unreachable'), 0));
    request.onabort = () => reject(new ApiError(common('cancel'), 0));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}

const LETTERS = 'rwxrwxrwx';
export function modeText(entry: { directory: boolean; mode: number }): string {
  let text = entry.directory ? 'd' : '-';
  for (let bit = 8; bit >= 0; bit--) text += (entry.mode >> bit) & 1 ? LETTERS[8 - bit] : '-';
  return entry.mode & 0o1000 ? text.slice(0, 9) + (entry.mode & 1 ? 't' : 'T') : text;
}
