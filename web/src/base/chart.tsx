// Lines over time, drawn by uPlot in the page's colours.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { onThemeChange } from './shell';
import { language } from './words';

const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A small line without axes: the last values of something. `label` says what it is.
export function Sparkline({ values, label, height = 36 }: { values: number[]; label: string; height?: number }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = (): uPlot.AlignedData => {
    const shown = values.length > 1 ? values : [0, 0];
    return [shown.map((_, index) => index), shown];
  };
  useEffect(() => {
    const make = (): void => {
      plot.current?.destroy();
      const line = color('--accent');
      plot.current = new uPlot({
        width: box.current!.clientWidth || 120, height, legend: { show: false }, cursor: { show: false },
        padding: [3, 0, 3, 0], scales: { x: { time: false }, y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: line, width: 1.5, fill: line + '22', points: { show: false } }],
      }, data(), box.current!);
    };
    make();
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height }));
    watch.observe(box.current!);
    const forget = onThemeChange(make);
    return () => {
      watch.disconnect();
      forget();
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData(data()), [values]);
  return <div class="spark" ref={box} role="img" aria-label={label} />;
}

export interface Line {
  label: string;
  values: (number | null)[];
}
const LINES = ['--accent', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];

// 20:31:07 where seconds matter, 20:31 over hours, 22 nov over days.
const clocks = [
  new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
  new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', hour: '2-digit', hourCycle: 'h23' }),
] as const;
const clockOf = (seconds: number) => clocks[seconds < 1800 ? 0 : seconds < 86400 * 2 ? 1 : 2]!;

// Lines with axes over times in milliseconds. `format` writes a value of the y axis. Stacked: each line stands on the one
// before, and the legend tells each one's own value.
export function Chart({ times, lines, label, format, height = 180, stacked = false }: {
  times: number[]; lines: Line[]; label: string; format: (value: number) => string; height?: number; stacked?: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ times, lines });
  latest.current = { times, lines };
  const data = (): uPlot.AlignedData => {
    const sums = new Array<number>(latest.current.times.length).fill(0);
    const columns = latest.current.lines.map((line) =>
      stacked ? line.values.map((value, index) => (sums[index] = sums[index]! + (value ?? 0))) : line.values);
    if (stacked) columns.reverse(); // the sum of all is drawn first, behind the others
    return [latest.current.times.map((ms) => ms / 1000), ...columns] as uPlot.AlignedData;
  };
  const names = lines.map((line) => line.label).join('\n');
  useEffect(() => {
    const make = (): void => {
      plot.current?.destroy();
      const shownLines = lines.map((line, index) => ({ line, index, stroke: color(LINES[index % LINES.length]!) }));
      if (stacked) shownLines.reverse();
      const text = color('--muted');
      const grid = color('--border');
      const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '11px system-ui' };
      plot.current = new uPlot({
        width: box.current!.clientWidth || 300, height, cursor: { y: false },
        legend: { show: lines.length > 1, live: true },
        scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
        axes: [
          { ...axis, space: 74, size: 28, values: (plot, ticks) => ticks.map((at) => clockOf(plot.scales.x!.max! - plot.scales.x!.min!).format(at * 1000)) },
          { ...axis, size: 64, values: (_, ticks) => ticks.map(format) },
        ],
        series: [
          { label: ' ', value: (_: uPlot, at: number | null) => (at === null ? '' : clocks[0].format(at * 1000)) },
          ...shownLines.map(({ line, index, stroke }) => ({
            label: line.label, stroke, width: stacked ? 1 : 1.5, points: { show: false },
            fill: stacked ? stroke + 'cc' : lines.length === 1 ? stroke + '22' : undefined,
            value: (_: uPlot, value: number | null, _series: number, at: number | null) => {
              const own = stacked && at !== null ? latest.current.lines[index]?.values[at] ?? null : value;
              return own === null ? '–' : format(own);
            },
          } as uPlot.Series)),
        ],
      }, data(), box.current!);
    };
    make();
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height }));
    watch.observe(box.current!);
    const forget = onThemeChange(make);
    return () => {
      watch.disconnect();
      forget();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, stacked, height]);
  useEffect(() => plot.current?.setData(data()), [times, lines]);
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}
