// What the server tells (src/console/spark_data.c), and small pieces that several pages of Spark share.
import { useEffect, useState } from 'preact/hooks';
import { send } from '../base/api';
import { Confirm } from '../base/dialog';
import { duration } from '../base/format';
import { at, encode } from '../base/router';
import { Icon, toast } from '../base/shell';
import { t } from './words';

export interface Usage {
  cores: number;
  coresUsed: number;
  memory: number;
  memoryUsed: number;
  memoryUsedMax: number;
}
export interface Overview {
  url: string;
  nowMs: number;
  startedMs: number;
  busyMs: number;
  usage: Usage;
  workers: Usage[];
  serves: boolean;
  programsRunning: number;
  programs: number;
  queriesRunning: number;
  queriesFailed: number;
  queries: number;
  executionsRunning: number;
  executions: number;
  inputRowsPerSecond: number;
  processedRowsPerSecond: number;
}
export interface Rows<Row> {
  total: number;
  page: number;
  size: number;
  rows: Row[];
}
export interface Program {
  id: string;
  name: string;
  user: string;
  file: string;
  client: string;
  pid: number;
  startedMs: number;
  endedMs: number;
  durationMs: number;
  state: 'RUNNING' | 'FINISHED' | 'KILLED';
  operations: number;
  executions: number;
}
export interface Query {
  id: string;
  runId: string;
  name: string;
  application: string;
  status: 'RUNNING' | 'FAILED' | 'FINISHED';
  message: string;
  sink: string;
  startedMs: number;
  endedMs: number;
  durationMs: number;
  batchId: number;
  batches: number;
  inputRows: number;
  inputRowsPerSecond: number;
  processedRowsPerSecond: number;
  averageInputRowsPerSecond: number;
  averageProcessedRowsPerSecond: number;
  batchMs: number;
  error: string;
  badRecords: number;
  firstBadRecord: string;
  firstBadField: string;
  firstBadReason: string;
}
export type Offset = unknown;
export interface Progress {
  timestamp: string;
  batchId: number;
  numInputRows: number;
  durationMs: Record<string, number>;
  eventTime?: Record<string, string>;
  stateOperators: {
    operatorName?: string;
    numRowsTotal?: number;
    numRowsUpdated?: number;
    numRowsRemoved?: number;
    numRowsDroppedByWatermark?: number;
    memoryUsedBytes?: number;
  }[];
  sources: { description: string; startOffset: Offset; endOffset: Offset; latestOffset: Offset; numInputRows: number }[];
  sink: { description: string; numOutputRows?: number };
}
export const PHASES = ['addBatch', 'queryPlanning', 'latestOffset', 'walCommit', 'commitOffsets', 'getBatch'] as const;
export type Phase = (typeof PHASES)[number];
export interface QueryDetail extends Query {
  lagMessages?: number;
  lagSeconds?: number;
  reasons: { kind: string; sentence: [string, string] }[];
  progress?: Progress | null;
  plan: string;
  checkpoint: string;
  history: Record<Phase | 'times' | 'inputRows' | 'inputRowsPerSecond' | 'processedRowsPerSecond' | 'batchMs' | 'stateRows', number[]>;
}
export interface Execution {
  id: number;
  application: string;
  applicationName: string;
  user: string;
  status: 'RUNNING' | 'COMPLETED' | 'FAILED';
  startedMs: number;
  durationMs: number;
  rows: number;
  description: string;
  error: string;
}
export interface ExecutionDetail extends Execution {
  plan: string;
  operators: { name: string; depth: number; inputRows: number; outputRows: number; durationMs: number; memory: number }[];
}

const LOOKS = {
  RUNNING: ['good', 'running'],
  FINISHED: ['', 'finished'],
  COMPLETED: ['', 'completed'],
  KILLED: ['warn', 'stopped'],
  FAILED: ['bad', 'failed'],
} as const;

export function State({ state }: { state: keyof typeof LOOKS }) {
  const [look, word] = LOOKS[state];
  return <span class={`badge ${look}`}>{t(word)}</span>;
}

// Since when something runs, counted on between two answers of the server.
export function Since({ startedMs, endedMs, durationMs }: { startedMs: number; endedMs: number; durationMs: number }) {
  const [received, setReceived] = useState({ at: Date.now(), durationMs });
  const [, tick] = useState(0);
  useEffect(() => setReceived({ at: Date.now(), durationMs }), [durationMs, startedMs]);
  useEffect(() => {
    if (endedMs > 0) return undefined;
    const timer = setInterval(() => document.hidden || tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [endedMs]);
  return <>{duration(endedMs > 0 ? durationMs : received.durationMs + Date.now() - received.at)}</>;
}

// A button that asks and then stops; `what` is programs, queries or executions.
export function Stop({ what, id, name, done, label }: {
  what: 'programs' | 'queries' | 'executions'; id: string | number; name: string; done: () => void; label?: boolean;
}) {
  const [asking, setAsking] = useState(false);
  const [title, text, action] = {
    programs: [t('stopProgram'), t('stopProgramText', name), t('stop')],
    queries: [t('stopQuery'), t('stopQueryText', name), t('stop')],
    executions: [t('stopExecution'), t('stopExecutionText'), t('cancelIt')],
  }[what] as [string, string, string];
  const submit = async (): Promise<void> => {
    await send('POST', `api/spark/${what}/${encode(String(id))}/stop`);
    toast(t('isStopped', name));
    done();
  };
  return (
    <>
      <button type="button" class={label ? '' : 'plain'} title={`${t('stop')}: ${name}`} aria-label={`${t('stop')}: ${name}`}
        onClick={() => setAsking(true)}><Icon name="stop" />{label && t('stop')}</button>
      {asking && <Confirm title={title} text={text} action={action} submit={submit} close={() => setAsking(false)} />}
    </>
  );
}

export const queryName = (query: Query): string => query.name || t('noName');
export const QueryLink = ({ query }: { query: Query }) =>
  <a href={at(`queries/${encode(query.runId)}`)} data-route data-row>{queryName(query)}</a>;

// Rows per second: exact while small.
const plain = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat(document.documentElement.lang, { notation: 'compact', maximumFractionDigits: 1 });
export const perSecond = (value: number): string => (value >= 100_000 ? compact : plain).format(value);

export function Meter({ part, label }: { part: number; label: string }) {
  const share = Math.max(0, Math.min(1, part));
  return (
    <div class="meter" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
      <i style={{ width: `${share * 100}%` }} />
    </div>
  );
}
