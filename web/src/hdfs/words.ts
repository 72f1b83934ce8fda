import table from '../../words/hdfs.json';
import { makeWords } from '../base/words';

export const t = makeWords(table);
