// What the server answers, and where it is asked.
import { encode } from '../base/router';

export const CLUSTER = 'api/clusters/raudal';
export const CHANGES = 'api/changes';
export const topicPath = (name: string): string => `${CLUSTER}/topics/${encode(name)}`;
export const groupPath = (name: string): string => `${CLUSTER}/consumer-groups/${encode(name)}`;
export const topicRoute = (name: string): string => `topics/${encode(name)}`;
export const groupRoute = (name: string): string => `groups/${encode(name)}`;

export interface TopicRow {
  name: string;
  internal: boolean;
  partitionCount: number;
  messagesCount: number;
  segmentSize: number;
}
export interface TopicList {
  topics: TopicRow[];
  total: number;
  totals: { topics: number; internal: number; partitions: number; messages: number; size: number };
}
export interface Partition {
  partition: number;
  offsetMin: number;
  offsetMax: number;
  size: number;
  segments: number;
  failure?: string;
  corrupt?: { first: number; last: number }[];
}
export interface Topic extends TopicRow {
  partitions: Partition[];
}
export interface Decoded {
  type: string;
  text?: string;
}
export interface Message {
  partition: number;
  offset: number;
  timestamp: number;
  key: Decoded;
  value: Decoded;
  headers: { name: string; value: Decoded }[];
  keySize: number;
  valueSize: number;
  cut: boolean;
}
export interface Messages {
  messages: Message[];
  from?: string;
  before?: string;
  ends: string;
  end: boolean;
  scanned: number;
  total: number;
  warning?: string;
}
export interface Setting {
  name: string;
  value: string;
  source: string;
  help: string;
}
export interface GroupRow {
  groupId: string;
  state: string;
  members: number;
  topics: number;
  consumerLag: number;
}
export interface GroupList {
  consumerGroups: GroupRow[];
  total: number;
}
export interface GroupOffset {
  topic: string;
  partition: number;
  currentOffset: number;
  endOffset: number;
  consumerLag: number;
  lagMs: number;
  committedMs: number;
}
export interface Group {
  groupId: string;
  state: string;
  protocol: string;
  consumerLag: number;
  members: { memberId: string; clientId: string; host: string; assignment: { topic: string; partitions: number[] }[] }[];
  partitions: GroupOffset[];
}
