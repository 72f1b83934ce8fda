// The NameNode's overview and its datanode.
import type { ComponentChildren } from 'preact';
import { useLive } from '../base/api';
import { count, size, time } from '../base/format';
import { at } from '../base/router';
import { Failure, useTitle } from '../base/shell';
import { Table } from '../base/table';
import { t } from './words';

export interface Overview {
  host: string;
  rpcPort: number;
  user: string;
  version: string;
  error?: string;
  startedMs: number;
  clusterId: string;
  blockPoolId: string;
  datanodeUuid: string;
  datanodePort: number;
  shownDatanodes?: string[];
  capacity: number;
  used: number;
  remaining: number;
  files: number;
  directories: number;
  blocks: number;
  fileSize: number;
  openFiles: number;
  calls: number;
  namenodeConnections: number;
  datanodeConnections: number;
  received: number;
  sent: number;
  folder: string;
  safeMode: boolean;
}

function useOverview() {
  return useLive<Overview>('api/hdfs/overview', { every: 5000 });
}

const nonDfs = (data: Overview): number => Math.max(0, data.capacity - data.used - data.remaining);

// How the disk is divided: DFS, the rest of it, free.
function Capacity({ data }: { data: Overview }) {
  const parts: [string, string, number][] = [['dfs', t('used'), data.used], ['other', t('nonDfs'), nonDfs(data)], ['free', t('remaining'), data.remaining]];
  return (
    <section class="panel">
      <h2>{t('capacity')}: {size(data.capacity)}</h2>
      <div class="shares" role="img" aria-label={parts.map(([, label, value]) => `${label}: ${size(value)}`).join(', ')}>
        {parts.map(([kind, , value]) => <i key={kind} class={kind} style={{ width: `${(value / data.capacity) * 100}%` }} />)}
      </div>
      <ul class="legend">
        {parts.map(([kind, label, value]) => <li key={kind}><i class={kind} />{label} <strong>{size(value)}</strong></li>)}
      </ul>
    </section>
  );
}

function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return <dl class="facts">{rows.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} value`}>{value}</dd>])}</dl>;
}

export function OverviewPage() {
  const { data, error } = useOverview();
  const place = data ? `${data.host}:${data.rpcPort}` : location.host;
  useTitle(t('title', place));
  return (
    <>
      <div class="titlebar">
        <h1>{t('title', place)}</h1>
        {data && !data.error && <span class={data.safeMode ? 'badge warn' : 'badge good'}>{data.safeMode ? t('safemodeOn') : t('safemodeOff')}</span>}
        <div class="actions"><a class="button primary" href={at('explorer.html')} data-route>{t('browse')}</a></div>
      </div>
      {error && <Failure error={error} />}
      {data?.error && <p class="notice bad" role="alert">{data.error}</p>}
      {data && !data.error && <>
        <div class="tiles">
          {([[t('used'), size(data.used)], [t('remaining'), size(data.remaining)], [t('files'), count(data.files)],
            [t('directories'), count(data.directories)], [t('blocks'), count(data.blocks)], [t('liveNodes'), '1']] as const).map(([name, value]) => (
            <div class="tile" key={name}><div class="name">{name}</div><div class="value">{value}</div></div>
          ))}
        </div>
        <Capacity data={data} />
        <div class="columns">
          <section class="panel">
            <h2>{t('summary')}</h2>
            <p class="gap">{t('filesAndFolders', count(data.files), count(data.directories), count(data.blocks))}. {t('securityOff')} {t('actingAs', data.user)}</p>
            <Facts rows={[
              [t('defaultFs'), <code>hdfs://{data.host}:{data.rpcPort}</code>],
              [t('folderOnDisk'), <code>{data.folder}</code>],
              [t('openFiles'), count(data.openFiles)],
              [t('liveNodes'), '1'],
              [t('deadNodes'), '0'],
            ]} />
          </section>
          <section class="panel">
            <h2>{t('information')}</h2>
            <Facts rows={[
              [t('started'), time(data.startedMs)],
              [t('version'), `${data.version} (Raudal)`],
              [t('clusterId'), <code>{data.clusterId}</code>],
              [t('blockPoolId'), <code>{data.blockPoolId}</code>],
              [t('calls'), count(data.calls)],
              [t('connections'), count(data.namenodeConnections)],
            ]} />
          </section>
        </div>
        <div class="bar"><h2>{t('datanodes')}</h2></div>
        <Datanodes data={data} />
      </>}
    </>
  );
}

// Several DataNodes of a compose file are one here: the others are shown, and hold nothing.
function Datanodes({ data }: { data: Overview }) {
  const shown = (data.shownDatanodes ?? []).map((host) => ({ ...data, host, used: 0, blocks: 0 }));
  return (
    <Table label={t('datanodes')} rows={[data, ...shown]} rowKey={(row) => row.host} columns={[
      { name: 'node', label: t('node'), grow: true, cell: (row) => <><strong>{row.host}:{row.datanodePort}</strong></> },
      { name: 'state', label: t('state'), cell: () => <span class="badge good">{t('inService')}</span> },
      { name: 'contact', label: t('lastContact'), narrow: 'hide', cell: () => t('now') },
      { name: 'capacity', label: t('capacity'), number: true, cell: (row) => size(row.capacity) },
      { name: 'used', label: t('used'), number: true, cell: (row) => size(row.used) },
      { name: 'nonDfs', label: t('nonDfs'), number: true, narrow: 'hide', cell: (row) => size(nonDfs(row)) },
      { name: 'remaining', label: t('remaining'), number: true, cell: (row) => size(row.remaining) },
      { name: 'blocks', label: t('blocks'), number: true, cell: (row) => count(row.blocks) },
      { name: 'version', label: t('version'), narrow: 'hide', cell: (row) => row.version },
    ]} />
  );
}

export function DatanodesPage() {
  const { data, error } = useOverview();
  useTitle(t('datanodes'));
  return (
    <>
      <div class="titlebar"><h1>{t('datanodes')}</h1></div>
      {error && <Failure error={error} />}
      {data?.error && <p class="notice bad" role="alert">{data.error}</p>}
      {data && !data.error && <>
        <Datanodes data={data} />
        <div class="bar" />
        <Capacity data={data} />
        <section class="panel">
          <Facts rows={[
            [t('nodeUuid'), <code>{data.datanodeUuid}</code>],
            [t('transferAddress'), <code>{data.host}:{data.datanodePort}</code>],
            [t('httpAddress'), <code>{location.host}</code>],
            [t('connections'), count(data.datanodeConnections)],
            [t('received'), size(data.received)],
            [t('sent'), size(data.sent)],
          ]} />
        </section>
      </>}
    </>
  );
}
