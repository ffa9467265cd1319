/** A bench that has started ejabberd, to be killed: tells its processes and where it keeps things. */
import { findEjabberd, startEjabberd } from '../../bench/harness/ejabberd.ts';

const [, , databaseUrl = '', root = ''] = process.argv;
const ejabberd = findEjabberd();
if (ejabberd === null) throw new Error('there is no ejabberd');
const { pids } = await startEjabberd(ejabberd, { directory: root }, databaseUrl);
process.send?.({ pids });
// For as long as nobody ends it.
process.on('message', () => undefined);
