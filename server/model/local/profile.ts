import type { Facts, ProfileField } from './language.ts';

/** How a prompt may name a profile field. */
const fieldNames: Record<ProfileField, string> = {
  nickname: 'nickname|preferred name|昵称|称呼',
  birthYear: 'birth[ _-]?year|year of birth|出生年份?',
  birthPlace: 'birth[ _-]?place|place of birth|出生地点?',
  grewUpPlace: 'grew[ _-]?up(?:[ _-]?place|[ _-]in)?|where (?:they|the user) grew up|成长地|长大的地方',
  occupation: 'occupation|profession|职业',
};
const none = /^(?:unknown|none|null|undefined|missing|not (?:known|given|set)|n\/a|-+|\?+|未知|无|没有|不详)?$/i;

/** The value in a line such as `birth year: 1950`, if there is one. */
function givenValue(field: ProfileField, prompt: string): string | undefined {
  const line = new RegExp(`(?:${fieldNames[field]})["'*\`]*\\s*[:=：]\\s*["'*\`]*([^"'\`\\n;；。|]{1,80})`, 'iu').exec(
    prompt,
  );
  const value = line?.[1]
    ?.split(/[,，](?=\s*\S+\s*[:=：])/)[0]
    ?.trim()
    .replace(/[.,，}\])]+$/, '');
  return value === undefined || none.test(value) || missingIn(value).length > 0 ? undefined : value;
}

/** What the prompt says about the person. */
export function profileOf(prompt: string): Facts {
  const name = givenValue('nickname', prompt);
  const birthYear = /\d{4}/.exec(givenValue('birthYear', prompt) ?? '')?.[0];
  const birthPlace = givenValue('birthPlace', prompt);
  const grewUp = givenValue('grewUpPlace', prompt);
  const work = givenValue('occupation', prompt);
  return {
    ...(name === undefined ? {} : { name }),
    ...(birthYear === undefined ? {} : { birthYear }),
    ...(birthPlace === undefined ? {} : { birthPlace }),
    ...(grewUp === undefined ? {} : { grewUp }),
    ...(work === undefined ? {} : { work }),
    places: [birthPlace, grewUp].filter((place) => place !== undefined),
    years: [],
    people: new Map(),
  };
}

const fields: readonly ProfileField[] = ['nickname', 'birthYear', 'birthPlace', 'grewUpPlace', 'occupation'];

function missingIn(text: string): ProfileField[] {
  return fields.filter((field) => new RegExp(fieldNames[field], 'iu').test(text));
}

/** The profile fields that an instruction wants to be asked for: those it names without a value. */
export function fieldsToAsk(instruction: string): ProfileField[] {
  const marked =
    /(?:missing|unknown|not (?:yet )?known|ask(?:ing)? (?:\S+ ){0,4}?(?:for|about)|缺少?|询问|请问)([\s\S]*)/i.exec(
      instruction,
    )?.[1];
  return missingIn(marked ?? instruction).filter((field) => givenValue(field, instruction) === undefined);
}
