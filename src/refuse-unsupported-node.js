// @ts-check
/**
 * Ends the process with one sentence where this Node cannot run the service. Whoever imports it
 * does so first: it is evaluated before the modules that such a Node would stumble over.
 */
import { whyNodeIsUnsupported } from './platform.js';

const why = whyNodeIsUnsupported();
if (why !== null) {
  process.stderr.write(`messaging-service cannot start: ${why}\n`);
  process.exit(1);
}
