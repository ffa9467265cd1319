// Where the database has its files, and what runs on them: what the parts of this folder are told.

import type { Account } from './account.ts';
import type { PostgresBinaries } from './binaries.ts';

export interface ClusterPlace {
  dataDir: string;
  clusterDir: string;
  /** Of the superuser, for connections over TCP. */
  passwordFile: string;
  binaries: PostgresBinaries;
  account: Account;
  log: (line: string) => void;
}
