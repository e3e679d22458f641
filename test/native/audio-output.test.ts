import { afterEach, expect, test, vi } from 'vitest';
import { type Playlist, speakerOutput } from '../../client/expo/audio-output.ts';

/** A playlist as the phone has it, whose time passes when it is told to. */
class FakePlaylist implements Playlist {
  currentIndex = 0;
  currentTime = 0;
  isDestroyed = false;
  readonly files: Int16Array[] = [];
  readonly seconds: number[] = [];
  add({ uri }: { uri: string }): void {
    const bytes = Buffer.from(uri.replace('data:audio/wav;base64,', ''), 'base64');
    expect([bytes.toString('latin1', 0, 4), bytes.toString('latin1', 8, 16)]).toEqual(['RIFF', 'WAVEfmt ']);
    expect(bytes.readUInt32LE(4)).toBe(bytes.length - 8);
    expect(bytes.readUInt32LE(40)).toBe(bytes.length - 44);
    const samples = Int16Array.from({ length: (bytes.length - 44) / 2 }, (_, index) =>
      bytes.readInt16LE(44 + 2 * index),
    );
    this.files.push(samples);
    this.seconds.push(samples.length / bytes.readUInt32LE(24));
  }
  play(): void {}
  destroy(): void {
    this.isDestroyed = true;
  }
  /** Plays on for so many milliseconds, or to its end. */
  pass(ms: number): void {
    this.currentTime += ms / 1000;
    for (;;) {
      const left = this.currentTime - (this.seconds[this.currentIndex] ?? 0);
      if (left < 0) return;
      if (this.currentIndex + 1 >= this.seconds.length) {
        this.currentTime = this.seconds[this.currentIndex] ?? 0;
        return;
      }
      this.currentIndex++;
      this.currentTime = left;
    }
  }
}

const rate = 16_000;
const sound = (ms: number, value = 0.5): Float32Array<ArrayBuffer> => new Float32Array((ms / 1000) * rate).fill(value);

afterEach(() => void vi.useRealTimers());

function start() {
  vi.useFakeTimers();
  const lists: FakePlaylist[] = [];
  let wall = 1_000;
  const output = speakerOutput(
    () => {
      const list = new FakePlaylist();
      lists.push(list);
      return list;
    },
    () => wall,
  );
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 10) {
      wall += 10;
      lists.at(-1)?.pass(10);
      vi.advanceTimersByTime(10);
      // As a player does, to know what is heard.
      output.now();
    }
  };
  return { output, lists, pass };
}

test('pieces that touch become files of one list, and no sample is lost or added', () => {
  const { output, lists, pass } = start();
  const at = output.now() + 20;
  for (let index = 0; index < 20; index++) {
    output.play(sound(100), rate, at + index * 100);
    pass(50);
  }
  pass(400);
  expect(lists).toHaveLength(1);
  expect(lists[0]?.files.flatMap((file) => [...file]).length).toBe(2 * rate);
  expect(lists[0]?.files.flat().every((file) => file.every((sample) => sample === 16_384))).toBe(true);
});

test('its clock is what is heard: it stands still while the phone does not play', () => {
  const { output, lists, pass } = start();
  const at = output.now();
  output.play(sound(1_000), rate, at);
  const list = lists[0];
  const before = output.now();
  pass(300);
  expect(output.now() - before).toBeCloseTo(300, 0);
  if (list) list.pass = () => {};
  pass(500);
  expect(output.now() - before).toBeCloseTo(300, 0);
});

test('a short silence is filled, and after a long one the sound begins anew', () => {
  const { output, lists, pass } = start();
  const at = output.now();
  output.play(sound(200), rate, at);
  output.play(sound(200), rate, at + 500);
  pass(2_000);
  expect(lists).toHaveLength(1);
  expect(lists[0]?.files.flatMap((file) => [...file]).length).toBe(0.7 * rate);
  const later = output.now() + 20;
  output.play(sound(200), rate, later);
  pass(10);
  expect(lists).toHaveLength(2);
  pass(600);
  expect(lists[0]?.isDestroyed).toBe(true);
  expect(output.now()).toBeGreaterThanOrEqual(at + 700);
});

test('a list that ends a little early is over all the same', () => {
  const { output, lists, pass } = start();
  const at = output.now();
  output.play(sound(400), rate, at);
  const list = lists[0];
  pass(380);
  if (list) list.pass = () => {};
  pass(600);
  const before = output.now();
  pass(100);
  expect(output.now() - before).toBeCloseTo(100, 0);
  expect(list?.isDestroyed).toBe(false);
  pass(500);
  expect(list?.isDestroyed).toBe(true);
});

test('stopping is silence at once, and the clock never goes back', () => {
  const { output, lists, pass } = start();
  output.play(sound(1_000), rate, output.now());
  pass(300);
  const before = output.now();
  output.stop();
  expect(lists[0]?.isDestroyed).toBe(true);
  expect(output.now()).toBeGreaterThanOrEqual(before);
  pass(100);
  expect(output.now()).toBeGreaterThanOrEqual(before + 99);
});
