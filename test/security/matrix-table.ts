/**
 * The expected verdict of every operation for every caller, written down. A new route or event has no
 * row here, and the test that compares the rows with what there is fails until it gets one.
 *
 *   ok        done                     unauth    401 unauthenticated     expired   401 token_expired
 *   out       403 not_a_participant    mismatch  403 identity_mismatch   absent    404 not_found
 *   whom      400 invalid_request: a service must say for whom           -         cannot be asked
 *
 * Columns, first those of AUTH_MODE=jwt:
 *   anon      nobody                           expired   a member, by an expired token
 *   member    takes part                       unnamed   the same, all id fields left out
 *   stranger  never took part                  ex        took part, has sent, was removed
 *   other     a member who states another member's id in every id field
 *   usurper   a stranger who states a member's id in every id field
 *   void      a user, in a conversation that does not exist: must read as `stranger` does
 *   service   a backend, for a member          svc-anon  the same, all id fields left out
 *   svc-out   a backend, for a stranger        svc-void  a backend, where there is no conversation
 * then those of AUTH_MODE=insecure:
 *   i-anon    states nobody, names a member: on REST a service
 *   i-member, i-stranger, i-other  as above, by the stated id
 */
export const table = `
                          anon    expired  member  unnamed  stranger  ex        other     usurper   void      service  svc-anon  svc-out  svc-void  i-anon  i-member  i-stranger  i-other
GET /health               ok      ok       ok      ok       ok        ok        ok        ok        ok        ok       ok        ok       ok        ok      ok        ok          ok
GET /ready                ok      ok       ok      ok       ok        ok        ok        ok        ok        ok       ok        ok       ok        ok      ok        ok          ok
GET /metrics              ok      ok       ok      ok       ok        ok        ok        ok        ok        ok       ok        ok       ok        ok      ok        ok          ok
GET /demo/settings        ok      ok       ok      ok       ok        ok        ok        ok        ok        ok       ok        ok       ok        ok      ok        ok          ok
GET /docs/json            ok      ok       ok      ok       ok        ok        ok        ok        ok        ok       ok        ok       ok        ok      ok        ok          ok
GET list                  unauth  expired  ok      -        ok        ok        mismatch  mismatch  ok        ok       -         ok       ok        ok      ok        ok          mismatch
GET history               unauth  expired  ok      ok       out       out       ok        out       out       ok       ok        ok       absent    ok      ok        out         ok
POST conversation         unauth  expired  ok      -        ok        ok        mismatch  mismatch  ok        ok       -         ok       ok        ok      ok        ok          mismatch
POST keyed conversation   unauth  expired  ok      -        ok        ok        mismatch  mismatch  ok        ok       -         ok       ok        ok      ok        ok          mismatch
POST message              unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    ok      ok        out         mismatch
POST mark-read            unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    ok      ok        out         mismatch
PUT participant           unauth  expired  ok      -        out       out       ok        out       out       ok       -         ok       absent    ok      ok        out         ok
DELETE participant        unauth  expired  ok      -        out       out       mismatch  mismatch  out       ok       -         ok       absent    ok      ok        out         mismatch
POST disconnect           unauth  expired  mismatch  -       mismatch  mismatch  mismatch  mismatch  mismatch  ok       -         ok       ok        ok      mismatch  mismatch    mismatch
join_conversation         unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    unauth  ok        out         mismatch
join with after_seq       unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    unauth  ok        out         mismatch
leave_conversation        unauth  expired  ok      ok       ok        ok        mismatch  mismatch  ok        ok       ok        ok       ok        unauth  ok        ok          mismatch
send_message              unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    unauth  ok        out         mismatch
typing_start              unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    unauth  ok        out         mismatch
typing_stop               unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    unauth  ok        out         mismatch
mark_read                 unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    unauth  ok        out         mismatch
message_delivered         unauth  expired  ok      ok       out       out       mismatch  mismatch  out       ok       whom      out      absent    unauth  ok        out         mismatch
refresh_token             unauth  expired  ok      ok       ok        ok        mismatch  mismatch  ok        ok       ok        ok       ok        unauth  unauth    unauth      unauth
`;

/** The word of the table for each code. */
export const words: Record<string, string> = {
  unauthenticated: 'unauth',
  token_expired: 'expired',
  not_a_participant: 'out',
  identity_mismatch: 'mismatch',
  not_found: 'absent',
  invalid_request: 'whom',
};

export interface Cell {
  operation: string;
  column: string;
  expected: string;
}

/** Every cell that can be asked. */
export function cellsOf(text: string): Cell[] {
  const [head = '', ...rows] = text.split('\n').filter((line) => line.trim() !== '');
  const columns = head.trim().split(/ +/);
  return rows.flatMap((row) => {
    const [operation = '', ...verdicts] = row.trim().split(/ {2,}/);
    if (verdicts.length !== columns.length) throw new Error(`${operation}: a cell is missing`);
    return columns.map((column, n) => ({ operation, column, expected: verdicts[n] ?? '' }));
  });
}
