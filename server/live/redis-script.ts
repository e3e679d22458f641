import { createHash } from 'node:crypto';
import type { ClientContext, Redis, Result } from 'ioredis';

export type Argument = string | number | Buffer;

declare module 'ioredis' {
  // It has these, undeclared; `callBuffer`, which it declares, loses the command's name where calls are pipelined.
  interface RedisCommander<Context extends ClientContext = { type: 'default' }> {
    evalBuffer(source: string, keyCount: number, ...keysAndArguments: Argument[]): Result<unknown, Context>;
    evalshaBuffer(hash: string, keyCount: number, ...keysAndArguments: Argument[]): Result<unknown, Context>;
  }
}

/** A Lua script that Redis runs as one step. Replies come as buffers. */
export class Script {
  readonly #source: string;
  readonly #hash: string;

  constructor(source: string) {
    this.#source = source;
    this.#hash = createHash('sha1').update(source).digest('hex');
  }

  async run(redis: Redis, keys: readonly string[], values: readonly Argument[]): Promise<unknown> {
    const rest = [keys.length, ...keys, ...values] as const;
    try {
      return await redis.evalshaBuffer(this.#hash, ...rest);
    } catch (error) {
      // It was not run: Redis has lost its scripts, or has never seen this one.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await redis.evalBuffer(this.#source, ...rest);
    }
  }
}

/**
 * Every script begins so. KEYS: meta, text, stream, fence, older fence. ARGV: 1 and 2 epoch and seq that are known to have
 * been: a log that is not as far is a copy of the past and counts as lost; 3 milliseconds that an unused log is kept.
 *
 * `meta` is the log's state, `text` the running turn's answer as records (see redis-codec.ts), `stream` has one entry a batch
 * whose id is its last event's number. `epoch` is '0' for a log that is not there.
 */
const prelude = `
local meta, text, stream, fence, older = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local known, ttl = tonumber(ARGV[1]), tonumber(ARGV[3])
local m = redis.call('HMGET', meta, 'epoch', 'seq', 'turn', 'generation', 'start', 'length', 'bytes', 'mark')
local epoch, seq = m[1] or '0', tonumber(m[2] or '0')
local turn, generation, start, length = m[3] or '', tonumber(m[4] or '0'), m[5] or '', tonumber(m[6] or '0')
local bytes, mark = tonumber(m[7] or '0'), tonumber(m[8] or '0')
local last = tonumber(epoch)
-- A text that Redis has evicted must not pass for one that is still empty.
local whole = length == 0 or redis.call('STRLEN', text) == length
if last < known or (last == known and seq < tonumber(ARGV[2])) or not whole then epoch = '0' end

local function renew()
  local now = redis.call('TIME')
  epoch = string.format('%.0f', math.max(tonumber(now[1]) * 1000000 + tonumber(now[2]), known + 1, last + 1))
  redis.call('UNLINK', meta, text, stream)
  seq, turn, generation, start, length, bytes, mark = 0, '', 0, '', 0, 0, 0
end

local function save()
  redis.call('HSET', meta, 'epoch', epoch, 'seq', seq, 'turn', turn, 'generation', generation, 'start', start,
    'length', length, 'bytes', bytes, 'mark', mark)
end

local function keep()
  for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ttl) end
end

-- A turn's generation, or 'ended'. Two hashes that take turns bound what is remembered.
local function fenced(id, mine)
  local at = redis.call('HGET', fence, id) or redis.call('HGET', older, id)
  return at and (at == 'ended' or tonumber(at) > mine), at
end

local function mark_turn(id, value)
  if redis.call('HLEN', fence) >= 64 then redis.call('RENAME', fence, older) end
  redis.call('HSET', fence, id, value)
end
`;

/**
 * ARGV after the prelude's: 4 channel, 5 origin, 6 the epoch that the log must be of ('0': there must be none), 7 number of
 * events, 8 batch, 9 turn or '', 10 generation, 11 begins, 12 ends, 13 records of what the batch adds to the text,
 * 14 whether 15 is given, 15 records of the whole text, 16 events kept, 17 half of the bytes kept, 18 what a new log
 * follows. Replies: { 'OK', epoch, first, 1 if the log is new }, { 'FENCED' }, { 'MOVED', epoch }, { 'FULL' }: give 15.
 */
export const appendScript = new Script(`${prelude}
local id, mine = ARGV[9], tonumber(ARGV[10])
local begins, ends, full = ARGV[11] == '1', ARGV[12] == '1', ARGV[14] == '1'
local changed = false
if id ~= '' then
  local over, at = fenced(id, mine)
  if over then return { 'FENCED' } end
  changed = ends or at ~= ARGV[10]
end
if epoch ~= ARGV[6] then return { 'MOVED', epoch } end
local fresh = epoch == '0'
-- The log does not know this turn, or only what its last owner said.
local adopt = id ~= '' and not begins and not ends and (fresh or turn == '' or (turn == id and mine > generation))
if adopt and not full then return { 'FULL' } end
local renewed = fresh or (adopt and turn == '' and ARGV[15] ~= '')
if renewed then renew() end
if changed then mark_turn(id, ends and 'ended' or ARGV[10]) end
local opened = seq == 0
if id == '' then
elseif ends then
  if turn == id then
    redis.call('UNLINK', text)
    turn, generation, start, length = '', 0, '', 0
  end
elseif begins or adopt then
  if begins then start = seq elseif turn ~= id then start = '' end
  turn, generation, length = id, mine, #ARGV[begins and 13 or 15]
  redis.call('SET', text, ARGV[begins and 13 or 15])
elseif turn == id and ARGV[13] ~= '' then
  length = redis.call('APPEND', text, ARGV[13])
end
local first, count = seq + 1, tonumber(ARGV[7])
seq = seq + count
redis.call('XADD', stream, 'MAXLEN', '~', ARGV[16], string.format('%.0f-0', seq), 'n', ARGV[7], 'd', ARGV[8])
bytes = bytes + #ARGV[8]
if bytes > tonumber(ARGV[17]) then
  if mark > 0 then redis.call('XTRIM', stream, 'MINID', string.format('%.0f-0', mark + 1)) end
  bytes, mark = 0, seq
end
save()
if opened or changed or begins or adopt or redis.call('PTTL', meta) < ttl * 0.75 then keep() end
redis.call('PUBLISH', ARGV[4], ARGV[5] .. ' ' .. epoch .. ' ' .. string.format('%.0f', first) .. ' ' .. (fresh and ARGV[18] or '') .. '\\n' .. ARGV[8])
return { 'OK', epoch, first, fresh and 1 or 0 }
`);

/**
 * ARGV: 4 a turn that has a new owner, or '', 5 its generation: older ones are fenced. Replies { epoch, seq, turn or '',
 * generation, start or '', records of the text }.
 */
export const headScript = new Script(`${prelude}
if epoch == '0' then
  renew()
  save()
  keep()
end
if ARGV[4] ~= '' then
  local over, at = fenced(ARGV[4], tonumber(ARGV[5]))
  if not over and at ~= ARGV[5] then
    mark_turn(ARGV[4], ARGV[5])
    keep()
  end
end
return { epoch, seq, turn, generation, tostring(start), turn ~= '' and redis.call('GET', text) or '' }
`);

/** ARGV: 4 epoch, 5 seq, 6 events at most, 7 bytes at most. Replies 'GONE' or { { last, count, batch }, … }. */
export const readScript = new Script(`${prelude}
local at = tonumber(ARGV[5])
if epoch ~= ARGV[4] or at > seq then return 'GONE' end
local page, events, size = {}, 0, 0
while at < seq do
  local entries = redis.call('XRANGE', stream, string.format('%.0f-0', at + 1), '+', 'COUNT', 32)
  if #entries == 0 then return #page == 0 and 'GONE' or page end
  for _, entry in ipairs(entries) do
    local stop, count = tonumber(string.match(entry[1], '^%d+')), tonumber(entry[2][2])
    if stop - count > at then return #page == 0 and 'GONE' or page end
    if #page > 0 and (events + count > tonumber(ARGV[6]) or size + #entry[2][4] > tonumber(ARGV[7])) then return page end
    page[#page + 1] = { stop, count, entry[2][4] }
    events, size, at = events + count, size + #entry[2][4], stop
  end
end
return page
`);

/**
 * Begins a new epoch in place of what is there, for a replica that went on without Redis. ARGV: 4 channel, 5 origin, 6 and 7
 * epoch and seq that it saw last, 8 running turn or '', 9 generation, 10 records of its text, 11… turns that have ended.
 * Replies { epoch, 1 if nobody has appended since }.
 */
export const reopenScript = new Script(`${prelude}
local untouched = m[1] == ARGV[6] and seq == tonumber(ARGV[7])
local id, mine, answer = turn, generation, whole and turn ~= '' and redis.call('GET', text) or ''
if not whole then id = '' end
for i = 11, #ARGV do
  mark_turn(ARGV[i], 'ended')
  if ARGV[i] == id then id = '' end
end
if ARGV[8] ~= '' and not fenced(ARGV[8], tonumber(ARGV[9])) then
  id, mine, answer = ARGV[8], tonumber(ARGV[9]), ARGV[10]
  mark_turn(id, ARGV[9])
end
renew()
if id ~= '' then
  turn, generation, length = id, mine, #(answer or '')
  redis.call('SET', text, answer or '')
end
save()
keep()
redis.call('PUBLISH', ARGV[4], ARGV[5] .. ' ' .. epoch .. ' 1 \\n')
return { epoch, untouched and 1 or 0 }
`);
