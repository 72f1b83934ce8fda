// Numbers, sizes and times as people read them, in the page's language.
import { language } from './words';

const integer = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const dateTime = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' });

export const count = (value: number): string => integer.format(value);

// 12.3 kB is told as multiples of 1024, as Kafka's and HDFS's own pages do.
export function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  for (; Math.abs(bytes) >= 1024 && unit + 1 < units.length; unit++) bytes /= 1024;
  return `${unit === 0 ? integer.format(bytes) : short.format(bytes)} ${units[unit]}`;
}

// 950 ms, 12 s, 3 min 5 s, 2 h 4 min, 3 d 4 h
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s / 60) % 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s / 3600) % 24)} h`;
}

export const rate = (perSecond: number): string => `${short.format(perSecond)}/s`;
export const percent = (part: number): string => `${short.format(part * 100)} %`;
export const time = (ms: number): string => dateTime.format(ms);

// 2026-11-22 20:31:07.123, local time: sorts and compares by eye.
export function timestamp(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}
