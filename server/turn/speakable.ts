/**
 * What of a sentence is read aloud: its words, without the marks of markdown, code, addresses and emoji. May be empty: then
 * nothing is said. Works on one sentence, in which a construct may begin without ending; a block of code it must not be given.
 */
export function speakable(text: string): string {
  return text
    .replace(codeBlock, ' ')
    .replace(image, '$1')
    .replace(link, '$1')
    .replace(autolink, ' ')
    .replace(address, ' ')
    .replace(tag, ' ')
    .replace(rule, ' ')
    .replace(lineStart, '')
    .replace(outerCell, '')
    .replace(cell, ', ')
    .replace(inlineCode, '$1')
    .replace(escaped, '$1')
    .replace(emphasis, '')
    .replace(word, '')
    .replace(emoji, '')
    .replace(/\s+/g, ' ')
    .replace(/ (?=[,.;:!?，。；：！？])/g, '')
    .replace(/^[\s,.;:，。；：、]+$/, '')
    .trim();
}

const codeBlock = /(`{3,}|~{3,})[\s\S]*?(?:\1|$)/g;
const image = /!\[([^[\]\n]{0,500})\]\((?:[^()\n]|\([^()\n]{0,200}\)){0,2000}\)/g;
const link = /\[([^[\]\n]{0,500})\](?:\((?:[^()\n]|\([^()\n]{0,200}\)){0,2000}\)|\[[^[\]\n]{0,100}\])/g;
const autolink = /<(?:https?:|mailto:)[^<>\s]{1,2000}>/gi;
/** A full stop or comma at the end is the sentence's; Chinese text may follow without a space. */
const address = /\b(?:https?:\/\/|www\.)[\w\-.~:/?#[\]@!$&'()*+,;=%]{0,2000}[\w\-~/#@$&*+=%]/gi;
const tag = /<\/?[a-z][a-z0-9-]{0,20}(?:\s[^<>]{0,500})?\/?>/gi;
const rule = /^[ \t]{0,8}(?:[-*_=|:][ \t|:]{0,20}){3,}$/gm;
const lineStart = /^[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?)?/gm;
const outerCell = /^[ \t]{0,20}\|[ \t]{0,20}|[ \t]{0,20}\|[ \t]{0,20}$/gm;
const cell = /[ \t]{0,20}\|[ \t]{0,20}/g;
const inlineCode = /`+([^`\n]{0,500})`+/g;
const escaped = /\\([\\`*_{}[\]()#+\-.!|~>])/g;
const emphasis = /\*+|~~|`+/g;
/** Underlines at the edges of a word are emphasis; within one they are part of a name. */
const word = /(?<![\p{L}\p{N}])_+|_+(?![\p{L}\p{N}])/gu;
const emoji =
  /[\p{Extended_Pictographic}--[©®™]]|\p{Emoji_Modifier}|\p{Regional_Indicator}|(?<=[0-9#*])\ufe0f?\u20e3|\u200d|\ufe0f|[\u{e0020}-\u{e007f}]/gv;
