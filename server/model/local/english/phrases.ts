import type { Language } from '../language.ts';

export const phrases: Language['phrases'] = {
  welcome: [
    'Hello, and welcome. I ask questions and listen, so that your story can be told in your own words.',
    'Welcome. I am here to listen: I ask, you tell, in whatever order things come back to you.',
  ],
  welcomeNamed: [
    'Hello, {name}. I ask questions and listen, so that your story can be told in your own words.',
    'Welcome, {name}. I am here to listen: I ask, you tell, in whatever order things come back to you.',
  ],
  ready: ['Take your time; there are no wrong answers.', 'Short answers are fine, and so are long ones.'],
  hello: ['Hello! I am glad you are here.', 'Hello. It is good to have you here.'],
  helloNamed: ['Hello, {name}! I am glad you are here.', 'Hello, {name}. It is good to have you here.'],
  meet: ['It is good to meet you, {name}.', 'Nice to meet you, {name}.', 'Thank you, {name}; I will remember that.'],
  thanks: [
    'You are welcome. It is a pleasure to listen.',
    'Thank you for telling it.',
    'You are very welcome; the stories are yours, I only ask.',
  ],
  goodbye: [
    'Goodbye, and thank you for your time today. I will be here whenever you want to go on.',
    'Thank you, and take care. We can go on whenever you like.',
  ],
  goodbyeAbout: [
    'Goodbye, and thank you for what you told me, above all about {it}. I will be here whenever you want to go on.',
    'Thank you for today. I would like to hear more about {it} another time; take care until then.',
  ],
  identity: [
    'I am an interviewer made of rules, not a language model and not a person. I run on this machine, listen to what you tell me and ask about it.',
    'I am a rule-based interviewer: a program that listens for names, places and times and asks about them. I am not a language model, and I know nothing of the world beyond what you tell me.',
  ],
  howAreYou: [
    'I am a program, so my days are much alike. Yours are more interesting.',
    'Ready to listen, as programs are.',
  ],
  suggest: [
    'Any small thing can be a beginning: a room, a smell, a face.',
    'We can start anywhere; a story finds its own order later.',
    'Then let me ask you something.',
  ],
  decline: [
    'Of course, we will leave that alone.',
    'That is quite all right; you decide what is told here.',
    'Then we will talk of something else.',
  ],
  unsure: [
    'That is all right; memories come in their own time.',
    'No hurry. Sometimes a small detail brings the rest back.',
    'It does not have to be exact.',
  ],
  brief: ['I am listening.', 'Go on, if you like.', 'I would be glad to hear a little more.', 'Take your time.'],
  question: [
    'I cannot answer that: I am a simple interviewer and know only what you have told me.',
    'That is beyond me, since I only know what you tell me. Your own answer would interest me more.',
    'I have no good answer to that, but it is worth thinking about together.',
  ],
  crisis: [
    'I am glad you said it, and I am sorry it is so heavy. I am only a simple program and not the right help: please talk to someone you trust now, or call your local emergency number or a crisis line. Is there somebody who can be with you at this moment?',
  ],
  unknown: ['You have not told me that yet.', 'I do not know that yet, since you have not told me.'],
  nothingYet: [
    'So far I know nothing about you: we have only just begun.',
    'Nothing yet; you have not told me anything about yourself so far.',
  ],
  recall: ['Here is what I have kept.', 'This is what you have told me so far.', 'Let me put it together.'],
  quoted: ['You said: “{it}”', 'What you told me was this: “{it}”'],
  callback: [
    'Earlier you spoke of {it}; does that belong to the same story?',
    'You mentioned {it} before. How does that fit with what you have just told me?',
    'I am still thinking of {it} from earlier. Was that around the same time?',
  ],
  revisit: [
    'Earlier you said “{it}”. What would you add to that now?',
    'I would like to go back to something you said: “{it}”. What comes to mind when you hear it again?',
    'You told me “{it}”. Who else was part of that?',
  ],
  last: ['What else comes to mind?', 'And what came after that?', 'What should I have asked you about this?'],
  ack: {
    loss: [
      'I am sorry; that is a great loss.',
      'I am sorry. Thank you for trusting me with it.',
      'A loss like that stays with a person.',
    ],
    dark: [
      'That sounds hard.',
      'That cannot have been easy.',
      'Thank you for saying that so openly.',
      'That is a lot to carry.',
    ],
    bright: [
      'What a good thing to remember.',
      'That sounds like a happy memory.',
      'I can hear how much that meant.',
      'That is lovely.',
    ],
    plain: [
      'Thank you, that helps me to see it.',
      'I can picture that.',
      'That is worth keeping.',
      'I am glad you mentioned it.',
      'Good that you tell me this.',
    ],
  },
  reflection: ['So {it}.', 'I hear that {it}.', 'I see: {it}.', 'Let me keep that: {it}.', '{It}: I will keep that.'],
};
