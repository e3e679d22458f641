import type { Facts } from '../language.ts';

const relation =
  '奶奶|爷爷|外婆|外公|姥姥|姥爷|祖母|祖父|妈妈|母亲|爸爸|父亲|父母|爹|娘|哥哥|姐姐|弟弟|妹妹|大哥|大姐|丈夫|妻子|' +
  '老公|老婆|老伴|儿子|女儿|孙子|孙女|外孙|外孙女|叔叔|伯伯|舅舅|姑姑|姨妈|表哥|表姐|堂哥|班主任|' +
  '(?<=我的?|我们)(?:先生|太太|爱人|孩子|阿姨|老师|师傅|朋友|同桌|邻居|妈|爸)';
const people = new RegExp(`(${relation})(?:的名字)?(?:叫做?|名叫|是叫)?`, 'gu');
const calledAfter = new RegExp(
  `(${relation})(?:的名字)?(?:是|叫做?|名叫)([\\p{Script=Han}]{2,4}|\\p{Lu}\\p{L}+)(?=[，。！？、,.!\\s]|$)`,
  'gu',
);
const jobs =
  '老师|教师|医生|护士|工人|农民|工程师|司机|厨师|裁缝|木匠|矿工|军人|士兵|干部|会计|律师|法官|记者|作家|画家|演员|歌手|店员|' +
  '售货员|警察|邮递员|程序员|设计师|教授|研究员|学生|翻译|科学家|技术员|电工|焊工|渔民|商人|公务员|编辑|经理|图书管理员';
const work = new RegExp(
  `(?:我|以前|原来|曾经|退休前)(?:现在|以前|原来|曾经|一直|后来|退休前)*(?:是|当|做|干)(?:过|了|的是)?(?:[一两三几多\\d]*[十几]*年)?(?:的)?(?:一名|一个|一位|个)?([\\p{Script=Han}]{0,4}?(?:${jobs}))`,
  'u',
);
const digits: Readonly<Record<string, string>> = {
  零: '0',
  〇: '0',
  一: '1',
  二: '2',
  三: '3',
  四: '4',
  五: '5',
  六: '6',
  七: '7',
  八: '8',
  九: '9',
};
const han = '[\\p{Script=Han}]';
const endOfPlace =
  '(?=[，。！？、,.!；\\s]|$|的|出生|长大|度过|生活|工作|上学|读书|插队|当|打工|旅|玩|一个|那|是|我|有|和|又|也|后来|这)';
const place = `(${han}{2,8}?|\\p{Lu}\\p{L}+)`;
const notPlace =
  /^(?:家里|这里|那里|哪里|这儿|那儿|学校|外面|一起|一个|那个|这个|农村|城里|国外|部队|医院|工厂|单位|(?:了|他|她|我|你|上|下)$|\S*(?:时候|年代|年|岁|天))/u;
const wherever = new RegExp(`(?:在|去了|去过|来到|搬到了?|回到|到了|来自)${place}${endOfPlace}`, 'gu');

/** "一九五〇年" as "1950年". */
function withDigits(text: string): string {
  return text.replace(/[一二][零〇一二三四五六七八九]{3}(?=年)/g, (year) =>
    [...year].map((c) => digits[c] ?? c).join(''),
  );
}

function placeIn(text: string, ...leads: RegExp[]): string | undefined {
  for (const lead of leads) {
    const found = lead.exec(text)?.[1]?.replace(/^.*?(?:年|岁|月)(?=.)/, '');
    if (found !== undefined && found.length > 1 && !notPlace.test(found)) return found;
  }
  return undefined;
}

function named(text: string): string | undefined {
  const found =
    /(?:我(?:的名字)?(?:叫做?|是叫)|我的名字是|我名叫|(?:请|就|可以|都|大家|别人|人家)(?:都)?叫我)\s*([\p{Script=Han}]{1,5}?|\p{L}[\p{Script=Latin}’'-]*(?: \p{Lu}[\p{Script=Latin}]+)?)(?=[，。！？、,.!；\s]|$|今年|来自|住在?|是|在|出生|生于|就好|就行|就可以|吧|呀|啊|也)/u.exec(
      text,
    )?.[1];
  if (found !== undefined && !/^(?:他|她|它|你|你们|大家|什么|啥|谁|不|别)/.test(found)) {
    return /^\p{Ll}/u.test(found) ? found.charAt(0).toUpperCase() + found.slice(1) : found;
  }
  const surname = /我姓(\p{Script=Han})(?:[，。！,.!\s]|$)/u.exec(text)?.[1];
  const am = /^(?:你好|您好|大家好)?[，,！!。\s]*我是([\p{Script=Han}]{2,4})[。！!.]?$/u.exec(text)?.[1];
  const asName = am !== undefined && !/人|的|生$|师$|员$|[男女老]/.test(am) ? am : undefined;
  return asName ?? surname;
}

export function factsOf(raw: string): Facts {
  const text = withDigits(raw);
  const years = [...text.matchAll(/(?<!\d)(1[89]\d\d|20\d\d)(?!\d)/g)].map(([year]) => year);
  const birthYear =
    /(1[89]\d\d|20\d\d)\s*年?[^，。！？]{0,12}(?:出生|生的|生于|生人|生在)/.exec(text)?.[1] ??
    /(?:出生|生)[于在](1[89]\d\d|20\d\d)/.exec(text)?.[1];
  const birthPlace = placeIn(
    text,
    new RegExp(`(?:我|年)?(?:出生|生)(?:在|于)${place}${endOfPlace}`, 'u'),
    new RegExp(`(?:于|在)${place}出生`, 'u'),
    new RegExp(`我(?:是|老家在|老家是|来自)(?:土生土长的)?(${han}{2,6}?)人(?=[，。！？,.!\\s]|$)`, 'u'),
    new RegExp(`老家(?:是|在)${place}${endOfPlace}`, 'u'),
  );
  const grewUp = placeIn(
    text,
    new RegExp(`在${place}长大`, 'u'),
    new RegExp(`(?:童年|小时候)(?:是)?在${place}(?:度过|过的|生活|住)`, 'u'),
  );
  const home = placeIn(
    text,
    new RegExp(`(?:现在|如今|目前)[^，。]{0,4}?住在${place}${endOfPlace}`, 'u'),
    new RegExp(`我(?:就|也|一直)?住在${place}${endOfPlace}`, 'u'),
  );
  const name = named(text.trim());
  const job = work.exec(text)?.[1];
  const places = new Set([birthPlace, grewUp, home].filter((found) => found !== undefined));
  for (const [, found] of text.matchAll(wherever)) {
    if (
      found !== undefined &&
      /(?:省|市|县|村|镇|州|京|海|津|港|湾|江|山|安|都|庆|汉|国|城|阳|林|沙|门|宁|岛|[A-Za-z])$/.test(found) &&
      !notPlace.test(found)
    )
      places.add(found);
  }
  const known = new Map<string, string | undefined>();
  for (const [, who] of text.matchAll(people)) if (who !== undefined) known.set(who, undefined);
  for (const [, who, called] of text.matchAll(calledAfter)) {
    const isName =
      called !== undefined &&
      !/[的个位名人]|什么|谁|啥|哪|^(?:一|很|最|我|老师|医生|工人|农民)/.test(called) &&
      !new RegExp(`(?:${jobs})$`).test(called);
    if (who !== undefined && isName) known.set(who, called);
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(birthYear === undefined ? {} : { birthYear }),
    ...(birthPlace === undefined ? {} : { birthPlace }),
    ...(grewUp === undefined ? {} : { grewUp }),
    ...(home === undefined ? {} : { home }),
    ...(job === undefined ? {} : { work: job }),
    places: [...places],
    years,
    people: known,
  };
}

export function personPhrase(person: string, name: string | undefined): string {
  return name === undefined ? `你${person}` : `你${person}${name}`;
}

export function tellOne(facts: Facts, which: keyof Facts): string | undefined {
  const { name, birthYear, birthPlace, grewUp, home, places, years } = facts;
  if (which === 'name') return name && `你${[...name].length === 1 ? '姓' : '叫'}${name}。`;
  if (which === 'birthYear') return birthYear && `你是${birthYear}年出生的。`;
  if (which === 'birthPlace') return birthPlace && `你出生在${birthPlace}。`;
  if (which === 'grewUp') return grewUp && `你在${grewUp}长大。`;
  if (which === 'home') return home && `你住在${home}。`;
  if (which === 'work') return facts.work && `说到工作，你告诉我的是${facts.work}。`;
  if (which === 'places') return places.length > 0 ? `你提到过${places.slice(0, 5).join('、')}。` : undefined;
  if (which === 'years') return years.length > 0 ? `你说到过${years.slice(0, 5).join('、')}年。` : undefined;
  const persons = [...facts.people].slice(0, 6).map(([person, called]) => personPhrase(person, called));
  return persons.length > 0 ? `你讲到过${persons.join('、')}。` : undefined;
}

export function tell(facts: Facts): string[] {
  const { birthYear, birthPlace } = facts;
  const places = facts.places.filter((found) => ![birthPlace, facts.grewUp, facts.home].includes(found));
  const years = facts.years.filter((year) => year !== birthYear);
  const born =
    birthYear !== undefined && birthPlace !== undefined
      ? `你${birthYear}年出生在${birthPlace}。`
      : (tellOne(facts, 'birthYear') ?? tellOne(facts, 'birthPlace'));
  return [
    tellOne(facts, 'name'),
    born,
    tellOne(facts, 'grewUp'),
    tellOne(facts, 'home'),
    tellOne(facts, 'work'),
    tellOne(facts, 'people'),
    tellOne({ ...facts, places }, 'places'),
    tellOne({ ...facts, years }, 'years'),
  ].filter((sentence) => sentence !== undefined);
}
