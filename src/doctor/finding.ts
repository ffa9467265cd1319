/** The result of one check. */
export interface Finding {
  /** What was looked at: `PostgreSQL`, `Redis` … */
  subject: string;
  /** `problem`: the service cannot start or keep its promises; `advice`: it can, but look at this. */
  verdict: 'ok' | 'advice' | 'problem';
  /** What the check has found, as a sentence or half of one. */
  found: string;
  /** What to do about it; empty when all is well. */
  advice: string;
}

/** The finding that all is well. */
export function ok(subject: string, found: string): Finding {
  return { subject, verdict: 'ok', found, advice: '' };
}

/** The finding that the service can run, but should not be left so. */
export function advise(subject: string, found: string, advice: string): Finding {
  return { subject, verdict: 'advice', found, advice };
}

/** The finding that something keeps the service from running, or from its promises. */
export function problem(subject: string, found: string, advice: string): Finding {
  return { subject, verdict: 'problem', found, advice };
}
