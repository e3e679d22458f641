import { answerCommands, usage } from './answer.ts';
import { clock } from './clock.ts';
import type { ListenerCommands } from './protocol.ts';
import { quantile } from './statistic.ts';
import { Subscriber } from './subscriber.ts';

// All subscribers of the bench, in one process apart from the servers.

class Group {
  subscribers: Subscriber[] = [];
  events = 0;
  at = 0;
  #wanted: { events: number; resolve: () => void; reject: (error: Error) => void } | undefined;

  onEvent = (): void => {
    this.events++;
    this.at = clock();
    if (this.#wanted?.events === this.events) this.#wanted.resolve();
  };

  onLost = (): void => this.#wanted?.reject(new Error('the server closed a connection'));

  received(events: number): Promise<void> {
    if (this.events >= events) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#wanted = { events, resolve, reject };
    });
  }
}

/**
 * While a group is measured this process never sleeps: to wake it would cost whoever sends to it more than the sending, and
 * the more, the better the two keep up with each other.
 */
let watching = 0;
function spin(): void {
  if (watching > 0) setImmediate(spin);
}

/** Connections that are opened side by side. */
const atOnce = 50;
const groups = new Map<string, Group>();

function groupOf(name: string): Group {
  const group = groups.get(name);
  if (!group) throw new Error(`no group ${name}`);
  return group;
}

answerCommands<ListenerCommands>({
  async open({ group: name, connections }) {
    const group = new Group();
    groups.set(name, group);
    for (let i = 0; i < connections.length; i += atOnce) {
      const some = connections.slice(i, i + atOnce).map((connection) => new Subscriber(connection, group));
      group.subscribers.push(...some);
      await Promise.all(some.map(({ ready }) => ready));
    }
    return null;
  },
  reset({ group: name, record }) {
    const group = groupOf(name);
    group.events = 0;
    for (const subscriber of group.subscribers) {
      subscriber.count = 0;
      subscriber.times = new Float64Array(record);
    }
    if (++watching === 1) spin();
    return null;
  },
  async received({ group: name, events }) {
    const group = groupOf(name);
    try {
      await group.received(events);
    } finally {
      watching--;
    }
    return { at: group.at };
  },
  lateness({ group: name, startedAt, everyMs, fanOut }) {
    const { subscribers } = groupOf(name);
    const topics = subscribers.length / fanOut;
    const late = subscribers.flatMap(({ times }, i) =>
      Array.from(times, (time, k) => time - (startedAt + (k * topics + Math.floor(i / fanOut)) * everyMs)),
    );
    return { p50: quantile(late, 0.5), p99: quantile(late, 0.99) };
  },
  close({ group: name }) {
    for (const subscriber of groupOf(name).subscribers) subscriber.close();
    groups.delete(name);
    return null;
  },
  ...usage,
});
