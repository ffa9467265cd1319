/** REST calls of an abuser over kept connections. */
import { Agent, request } from 'node:http';
import { codeOf, type Tell } from './abuser.ts';

export interface Call {
  method?: string;
  path: string;
  /** Left out: a caller who presents none. */
  token?: string;
  /** The address to state in X-Forwarded-For. */
  address: string;
  body?: object;
}

export interface RestCalls {
  /** Makes a call whose answer is told as that of `kind`; false: too many are under way. */
  make(kind: string, call: Call): boolean;
  end(): void;
}

/** @param atMost connections, and calls under way at a time */
export function createRestCalls(port: number, atMost: number, tell: Tell): RestCalls {
  const agent = new Agent({ keepAlive: true, maxSockets: atMost });
  let underWay = 0;
  return {
    make(kind, { method = 'GET', path, token, address, body }) {
      if (underWay >= atMost) return false;
      underWay += 1;
      const headers = {
        'x-forwarded-for': address,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      let told = false;
      const end = (outcome: string): void => {
        if (told) return;
        told = true;
        underWay -= 1;
        tell(kind, outcome);
      };
      const options = { host: '127.0.0.1', port, method, path, agent, headers };
      const call = request(options, (answer) => {
        const { statusCode = 0 } = answer;
        let text = `HTTP/1.1 ${statusCode}\r\n\r\n`;
        // Of what is accepted nothing is looked at, however long it is.
        answer.on('data', (chunk: Buffer) => {
          if (statusCode >= 400) text += chunk.toString();
        });
        answer.on('end', () => end(statusCode < 400 ? 'accepted' : codeOf(text)));
        answer.on('close', () => end('cut'));
      });
      call.on('error', () => end('cut'));
      call.end(body === undefined ? undefined : JSON.stringify(body));
      return true;
    },
    end: () => agent.destroy(),
  };
}
