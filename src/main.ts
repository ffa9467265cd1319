/**
 * The file to run: loads the service. By `require`, which reads one file after the other: for `import`
 * Node 20 opens all modules of a package at once, more than a process with `ulimit -n 200` may.
 */
import './refuse-unsupported-node.js';
import { createRequire } from 'node:module';
import { extname } from 'node:path';

// Compiled it is service.js.
createRequire(import.meta.url)(`./service${extname(import.meta.filename)}`);
