/**
 * A Database that explains what it is asked instead of doing it: every statement of the code under
 * test, as that code wrote it, with its own parameters.
 */
import type { Database, Sql } from '../../src/store/database.ts';

export interface Explained {
  /** Hand this to the code under test; statements give no rows. */
  database: Database;
  /** The plan of each statement so far, as EXPLAIN prints it. */
  plans: string[];
}

/** @param mode what to write between EXPLAIN and the statement, such as `(ANALYZE, BUFFERS)` */
export function explaining(real: Database, mode: string): Explained {
  const plans: string[] = [];
  const explain =
    (sql: Sql) =>
    (strings: TemplateStringsArray, ...values: never[]) => {
      const [first = '', ...rest] = strings;
      const texts = [`EXPLAIN ${mode} ${first}`, ...rest];
      const run = async () => {
        const rows = await sql<{ 'QUERY PLAN': unknown }[]>(
          Object.assign(texts, { raw: texts }) as TemplateStringsArray,
          ...values,
        );
        // FORMAT JSON comes parsed, in one row; text comes line by line.
        const lines = rows.map((row) => row['QUERY PLAN']);
        plans.push(
          lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
        );
        return [];
      };
      // What is only a part of a statement is never awaited, and stays as it was.
      const then: Promise<never[]>['then'] = (resolve, reject) => run().then(resolve, reject);
      return Object.assign(sql(strings, ...values), { then });
    };
  return {
    plans,
    database: {
      ...real,
      // Only the tagged template is offered: all the reads use nothing else.
      query: (work) => real.query((sql) => work(explain(sql) as unknown as Sql)),
    },
  };
}
