import type { Facts, Intent, Language, Mood } from '../language.ts';
import { factsOf, personPhrase, tell, tellOne } from './facts.ts';
import { phrases } from './phrases.ts';
import { about, deepeners, openers } from './questions.ts';
import { topics } from './topics.ts';

/** Tried in order; the number is the most characters that such a message has. */
const intents: readonly [Intent, number, RegExp][] = [
  ['crisis', 2000, /自杀|不想活|活不下去|想死|轻生|伤害自己|结束(?:自己的)?生命/],
  [
    'goodbye',
    20,
    /再见|拜拜|晚安|下次(?:再)?聊|先(?:这样|到这|走了)|今天就(?:到这|这样)|我(?:要|得|该)(?:走|睡|休息)了|回头见/,
  ],
  ['thanks', 16, /^(?:太|非常|多|真是)?(?:谢谢|感谢|多谢|谢了|辛苦)/],
  [
    'recall',
    60,
    /(?:还)?记得(?:我|吗|我们)|你(?:都)?(?:知道|了解|记住|记得)(?:了)?(?:我|关于我|哪些|什么)|我(?:叫|姓)什么|我(?:的名字)?是(?:谁|什么)|我(?:是)?(?:在)?(?:哪里|哪儿|哪一?年|什么时候|什么地方)|我(?:说|讲|提|告诉|聊)(?:过|了)?(?:你|给你)?(?:过|了)?(?:哪些|什么|些什么)|我们(?:都)?(?:聊|谈|说|讲)(?:了|过)?(?:哪些|什么|些什么)|^(?:请|帮我|你|能不能|可以)*(?:总结|回顾|概括|归纳)|我多大|我几岁|我的(?:名字|工作|职业|老家|家乡|生日)(?:是|叫)?(?:什么|哪|多少)|我(?:是)?做什么(?:工作)?的|我\S{1,4}(?:叫什么|的名字是什么|是谁)/,
  ],
  [
    'identity',
    30,
    /你(?:到底|究竟)?是(?:谁|什么|真人|机器人|人工智能|人吗|人还是|AI|ai|程序|语言模型)|你叫什么|^(?:那)?你呢|你的名字|介绍(?:一下)?(?:你)?自己|你是不是(?:人|机器|真人|AI|ai|程序)/,
  ],
  ['how-are-you', 12, /你(?:最近|今天)?(?:好吗|怎么样|还好吗|过得)|吃了吗/],
  [
    'decline',
    40,
    /不(?:想|愿意?|太想|方便)(?:再)?(?:谈|说|聊|讲|提|回答)|换(?:个|一个|下)?(?:话题|问题)|别(?:问|提|说)(?:这|了|那)|跳过|聊(?:点|些)?别的|下一个问题/,
  ],
  [
    'suggest',
    40,
    /(?:说|讲|聊|谈|写)(?:点|些)?(?:什么|啥)(?:好|呢|吗)?[？?。！]*$|从(?:哪里|哪儿|何)(?:开始|讲起|说起)|不知道(?:该)?(?:说|讲|聊|从哪)|问我|你(?:能|会|可以)(?:做|干)(?:什么|啥)|怎么(?:开始|用)|^开始吧?[。！]*$|^帮(?:帮)?我?[。！]*$/,
  ],
  [
    'unsure',
    16,
    /^(?:我)?(?:真的|也|已经)?(?:不知道|不记得|记不(?:得|清|起来)|想不起来|忘了|不清楚|不确定|说不(?:上来|清|好))|^(?:也许|可能|大概)(?:吧)?[。，]?$/,
  ],
  ['hello', 10, /^(?:你好|您好|嗨|哈喽|早上好|早安|下午好|晚上好|早|hello|hi)(?!.*我)/i],
];

const moods: readonly [Mood, RegExp][] = [
  ['loss', /去世|过世|离世|葬礼|病逝|牺牲|走的那天|不在了/],
  [
    'dark',
    /难过|伤心|害怕|可怕|孤独|孤单|寂寞|生气|愤怒|哭|后悔|遗憾|愧疚|苦|难(?!忘|得|道)|饿|穷|病|打仗|战争|担心|紧张|离婚|想家|(?<!积)累|委屈|对不起|失去/,
  ],
  [
    'bright',
    /高兴|开心|快乐|幸福|喜欢|(?<!可|恋)爱(?!人|好)|美好|自豪|骄傲|笑|有趣|好玩|最好|激动|感激|感动|结婚|得奖|热闹|温暖|好吃/,
  ],
];

function intent(raw: string): Intent {
  const text = raw.trim();
  const length = [...text].length;
  for (const [found, most, pattern] of intents) if (length <= most && pattern.test(text)) return found;
  if (!/[\p{L}\p{N}]/u.test(text)) return 'brief';
  const isAsked = (said: string): boolean => /[？?]$/.test(said) || /(?:吗|呢|什么|怎么办|为什么)[。！]?$/.test(said);
  if (text.split(/(?<=[。！？!?])/).every(isAsked)) return 'question';
  const brief =
    /^(?:是的?|对的?|嗯+|好的?|行|可以|不是|不|没有|有|哦|啊|呵呵|哈哈+|没错|当然|还行|继续|还好|挺好|也是|确实)[吧呀啊哦了。，！!.~]*$/;
  return brief.test(text) ? 'brief' : 'statement';
}

const filler =
  /^(?:(?:嗯+|啊|哦|那么?|然后|其实|就是说?|因为|所以|但是?|不过|而且|对了?|是的|好的|你好|您好|后来呢?|我记得|我觉得|我想)[，,、！!\s]*)+(?=.{3,})/u;

/** Says a clause back with the persons exchanged; Chinese needs no more than that. */
function reflect(text: string): string | undefined {
  let best: string | undefined;
  let bestScore = 0;
  for (const sentence of text.split(/(?<=[。！？!?；;…\n])/u)) {
    if (/[？?]|吗[。！]?$/u.test(sentence) || sentence.includes('你') || sentence.includes('您')) continue;
    for (const clause of clauses(sentence)) {
      const score = (clause.includes('我') ? 2 : 0) + Math.min([...clause].length, 16) / 16;
      const fits =
        [...clause].length >= 4 && !/我(?:的名字)?叫|我姓|谢谢|我是谁/u.test(clause) && /\p{Script=Han}/u.test(clause);
      if (fits && clause.includes('我') && score >= bestScore) [best, bestScore] = [clause, score];
    }
  }
  return best?.replace(/我们|咱们/g, '你们').replace(/[我俺咱]/g, '你');
}

/** Runs of clauses of at most 22 characters. */
function clauses(sentence: string): string[] {
  const found: string[] = [];
  let run = '';
  for (const piece of sentence.split(/[，,：:]/u).map(clean)) {
    const joined = run === '' ? piece : `${run}，${piece}`;
    if ([...joined].length <= 22) {
      run = joined;
    } else {
      found.push(run);
      run = [...piece].length <= 22 ? piece : '';
    }
  }
  return [...found, run].map(clean);
}

function clean(text: string): string {
  return text
    .trim()
    .replace(filler, '')
    .replace(/[吧呢啊呀嘛哦。！!.…；;“”"\s]+$/u, '')
    .replace(/[“”"]/g, '');
}

function quote(text: string, word: string): string | undefined {
  const said = text.split(/(?<=[。！!…\n])/u).find((sentence) => sentence.includes(word) && !/[？?]/u.test(sentence));
  const bare = [...(said?.trim().replace(/[“”"]/g, '') ?? '')];
  return bare.length === 0 ? undefined : bare.length <= 80 ? bare.join('') : `${bare.slice(0, 79).join('')}…`;
}

const recalls: readonly [RegExp, keyof Facts][] = [
  [/我(?:叫|姓)什么|我的名字|我是谁/, 'name'],
  [/我(?:是)?(?:哪一?年|什么时候)(?:出生|生)|我多大|我几岁|我的生日/, 'birthYear'],
  [/我(?:是)?(?:在)?(?:哪里|哪儿|什么地方)(?:出生|生|的?人)|我的(?:老家|家乡)|我(?:是)?哪里人/, 'birthPlace'],
  [/(?:哪里|哪儿|什么地方)长大/, 'grewUp'],
  [/我(?:现在)?住(?:在)?(?:哪里|哪儿|什么地方)/, 'home'],
  [/我(?:是)?做什么|我的(?:工作|职业)/, 'work'],
];

function recallOf(text: string): keyof Facts | { about: string } | 'all' {
  for (const [pattern, which] of recalls) if (pattern.test(text)) return which;
  const topic =
    /我(?:的)?([\p{Script=Han}]{1,4}?)(?:的名字)?(?:叫什么|是谁|是什么)|(?:关于|记得|说过|提到|讲过)(?:我的|我)?([\p{Script=Han}]{1,6}?)(?:的事|吗|什么|[？?。]|$)/u.exec(
      text,
    );
  const found = topic?.[1] ?? topic?.[2];
  return found === undefined || /^(?:的|我|什么|哪些|些|过|了|说|讲|告诉|们)/.test(found) ? 'all' : { about: found };
}

export const chinese: Language = {
  intent,
  mood: (text) => moods.find(([, pattern]) => pattern.test(text))?.[0] ?? 'plain',
  facts: factsOf,
  nameOfOther: (text) =>
    /[她他](?:的名字)?(?:叫做?|名叫|是叫)([\p{Script=Han}]{2,4}|\p{Lu}\p{L}+)(?=[，。！、,.!\s]|$)/u.exec(text)?.[1],
  leadsWithPerson:
    /^(?:我的?|我们)?(?:[奶爷外姥祖妈母爸父爹娘哥姐弟妹大小丈妻老爱儿女孙叔舅姑姨表堂][\p{Script=Han}]|我[妈爸])/u,
  isAddress: (name) => !/^\p{Script=Han}$/u.test(name),
  reflect,
  quote,
  recallOf,
  tell,
  tellOne,
  topics,
  about,
  personPhrase,
  openers,
  deepeners,
  fieldQuestions: {
    nickname: '我该怎么称呼你',
    birthYear: '你是哪一年出生的',
    birthPlace: '你出生在哪里',
    grewUpPlace: '你在哪里长大',
    occupation: '你现在或者以前做什么工作',
  },
  joinQuestions: (questions) => `${questions.join('，')}？`,
  phrases,
  join: (sentences) => sentences.join(''),
};
