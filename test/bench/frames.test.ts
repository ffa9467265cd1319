/** Frames of the load generator, against the frames of RFC 6455. */
import { describe, expect, it } from 'vitest';
import { seqOf } from '../../bench/load/client.ts';
import { binaryFrame, eachFrame, textFrame } from '../../bench/load/frames.ts';

function found(bytes: Buffer): { texts: string[]; used: number } {
  const texts: string[] = [];
  const used = eachFrame(bytes, bytes.length, (_opcode, from, to) => {
    texts.push(bytes.toString('utf8', from, to));
  });
  return { texts, used };
}

/** What a server sends: without a mask. */
function serverFrame(text: string): Buffer {
  const frame = textFrame(text);
  const head = frame.length - Buffer.byteLength(text) - 4;
  const unmasked = Buffer.concat([frame.subarray(0, head), Buffer.from(text)]);
  unmasked[1] = (unmasked[1] ?? 0) & 0x7f;
  return unmasked;
}

describe('frames', () => {
  it('a client frame is masked and says its length in 7, 16 or 64 bits', () => {
    expect([...textFrame('Hi')]).toEqual([0x81, 0x82, 0, 0, 0, 0, 0x48, 0x69]);
    expect([...textFrame('x'.repeat(126)).subarray(0, 4)]).toEqual([0x81, 0xfe, 0, 126]);
    expect([...textFrame('x'.repeat(65_536)).subarray(0, 10)]).toEqual([
      0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0,
    ]);
  });

  it('bytes go as a binary frame', () => {
    expect([...binaryFrame(Buffer.from([7, 0xff]))]).toEqual([0x82, 0x82, 0, 0, 0, 0, 7, 0xff]);
  });

  it('server frames are found one after another, of every length', () => {
    const texts = ['2', 'y'.repeat(200), 'z'.repeat(70_000), ''];
    const bytes = Buffer.concat(texts.map(serverFrame));
    expect(found(bytes)).toEqual({ texts, used: bytes.length });
  });

  it('an unfinished frame is left for later, wherever it is cut', () => {
    const whole = serverFrame('first');
    const second = serverFrame('s'.repeat(300));
    for (let cut = 0; cut < second.length; cut += 1) {
      const bytes = Buffer.concat([whole, second.subarray(0, cut)]);
      expect(found(bytes)).toEqual({ texts: ['first'], used: whole.length });
    }
  });

  it('the seq is found wherever a server writes it', () => {
    const at = (text: string) => seqOf(Buffer.from(text), 0, Buffer.byteLength(text));
    expect(at('42["new_message",{"id":"a","seq":17,"content":"x"}]')).toBe(17);
    expect(at('42["new_message",{"id":"abc","content":"x","seq":4}]')).toBe(4);
    expect(at('42["new_message",{"id":"a"}]')).toBe(-1);
  });
});
