/** What the service answers, read without trust: both doors use one envelope. */

export type Answer =
  | { success: true; data: Record<string, unknown> }
  | { success: false; code: string; message: string };

/** @throws Error for what is no envelope: the service must not say such a thing */
export function readAnswer(sent: unknown): Answer {
  if (!isRecord(sent)) throw new Error(`Not an envelope: ${JSON.stringify(sent)}`);
  if (sent.success === true && isRecord(sent.data)) return { success: true, data: sent.data };
  const { error } = sent;
  if (isRecord(error) && typeof error.code === 'string') {
    return { success: false, code: error.code, message: String(error.message) };
  }
  throw new Error(`Not an envelope: ${JSON.stringify(sent)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A refusal that leaves open whether the message was stored: the service says so in words. */
export const leavesOpen = (message: string): boolean => /not known/i.test(message);

/** One REST call; null when no answer came. */
export async function call(
  url: string,
  options: { method: string; userId?: string; body?: unknown; timeoutMs: number },
): Promise<Answer | null> {
  const { method, userId, body, timeoutMs } = options;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(userId === undefined ? {} : { 'x-user-id': userId }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await response.text();
  } catch {
    // The node is gone, or silent: nobody knows.
    return null;
  }
  const answer = readAnswer(JSON.parse(text));
  const unavailable = !answer.success && answer.code === 'unavailable';
  if (unavailable !== (response.status === 503)) {
    throw new Error(`Status ${response.status} with ${text}`);
  }
  return answer;
}
