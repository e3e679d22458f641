import type { Topic } from '../language.ts';

export const topics: readonly Topic[] = [
  {
    match: /\b(?:died|death|dead|funeral|passed away|buried|grave|widow(?:er)?|lost (?:my|our) \w+)\b/i,
    questions: [
      'What would you like people to know about the one you lost?',
      'Who or what helped you through that time?',
      'Which moment together do you go back to most often?',
      'What has stayed with you from the farewell?',
    ],
  },
  {
    match: /\b(?:war|army|soldier|battle|bomb\w*|front line|refugees?|occupation army|military)\b/i,
    questions: [
      'How did that time reach into your everyday life?',
      'What did people around you say about it, and what did they leave unsaid?',
      'What did you do to feel safe?',
      'What do you think those who were not there should understand about it?',
    ],
  },
  {
    match: /\b(?:ill|illness|sick|hospital|cancer|operation|surgery|disease|accident)\b/i,
    questions: [
      'How did that change the days for you?',
      'Who was at your side then?',
      'What did that time teach you about yourself?',
    ],
  },
  {
    match: /\b(?:married|marry|wedding|engaged|proposed|honeymoon|divorced?)\b/i,
    questions: [
      'How did the two of you meet?',
      'What do you remember most vividly of that day?',
      'What did you have to learn about living together?',
      'Who was happiest about it, and who was not?',
    ],
  },
  {
    match: /\b(?:in love|fell for|sweetheart|girlfriend|boyfriend|first kiss|romance|courting)\b/i,
    questions: [
      'What was it about that person that caught you?',
      'How did you find out that it was mutual?',
      'Where did the two of you go together?',
    ],
  },
  {
    match: /\b(?:school|teacher|class(?:room|mates?)?|lessons?|exam\w*|university|college|studied|degree)\b/i,
    questions: [
      'Which teacher do you still remember, and why?',
      'How did you get to school, and with whom?',
      'What did you find easy there, and what was hard?',
      'What did you dream of becoming in those days?',
      'What did you learn there that was not in the books?',
    ],
  },
  {
    match:
      /\b(?:work(?:ed|ing)?|jobs?|factory|office|boss|colleagues?|career|retired?|business|wages?|salary|shop|farm\w*)\b/i,
    questions: [
      'What did an ordinary working day look like, from morning to evening?',
      'How did you come to do that work?',
      'Of which piece of work are you most proud?',
      'Who taught you how it was done?',
      'What would surprise people about that work?',
    ],
  },
  {
    match: /\b(?:mov(?:ed|ing)|emigrat\w+|immigra\w+|left home|new (?:country|city|town)|settled|suitcases?)\b/i,
    questions: [
      'What did you take with you, and what did you leave behind?',
      'What was the first day in the new place like?',
      'When did it begin to feel like home, if it did?',
      'Whose idea was it to go?',
    ],
  },
  {
    match: /\b(?:house|home|kitchen|garden|room|street|village|neighbou?rs?|apartment|flat)\b/i,
    questions: [
      'If I walked in there with you, what would I see first?',
      'Which sounds and smells belong to that place?',
      'Who came and went there?',
      'Where was your own corner in it?',
    ],
  },
  {
    match: /\b(?:cook\w*|food|bread|bak(?:ed?|ing|ery)|meals?|soup|dinner|recipe|dish|tea|cake)\b/i,
    questions: [
      'Who made it, and how was it done?',
      'Who sat at the table, and in which place?',
      'What do you make today that still tastes of that time?',
      'Which meal would you like to have once more?',
    ],
  },
  {
    match: /\b(?:music|song|sang|sing(?:ing)?|piano|violin|guitar|choir|danc(?:e|ed|ing))\b/i,
    questions: [
      'Which tune brings that time back for you?',
      'Who played or sang with you?',
      'How did music come into your life?',
    ],
  },
  {
    match: /\b(?:christmas|easter|birthday|holidays?|festival|new year|party|celebrat\w+|thanksgiving)\b/i,
    questions: [
      'How did you celebrate it, step by step?',
      'Which of those celebrations stands out from all the others?',
      'What had to be there for it to be a real celebration?',
    ],
  },
  {
    match: /\b(?:dog|cat|horse|cows?|chickens?|birds?|animals?|pet)\b/i,
    questions: [
      'What was that animal like, in character?',
      'What do you remember best about that animal?',
      'What did you get up to together?',
    ],
  },
  {
    match: /\b(?:river|sea|ocean|mountains?|forest|woods|fields?|lake|beach|snow|summer|winter)\b/i,
    questions: [
      'What did you do there, on a day that was all your own?',
      'How did the seasons change that place?',
      'With whom did you share it?',
    ],
  },
  {
    match: /\b(?:books?|read(?:ing)?|wrote|writing|poems?|paint\w*|draw\w*|films?|cinema|theatre)\b/i,
    questions: [
      'Which one left a mark on you, and how?',
      'Who brought you to it?',
      'What did it let you see that you had not seen before?',
    ],
  },
  {
    match: /\b(?:football|soccer|swim\w*|run(?:ning)?|games?|played|sports?|team|chess|fishing|cycling|bicycle)\b/i,
    questions: [
      'Who did you play with, and who usually won?',
      'What did it feel like when it went well?',
      'Which day of that would you live again?',
    ],
  },
  {
    match: /\b(?:money|poor|rich|hungry|afford|debt|savings|poverty|ration\w*)\b/i,
    questions: [
      'How did your family make ends meet?',
      'What did you go without, and what did you never lack?',
      'What has that taught you about what things are worth?',
    ],
  },
  {
    match: /\b(?:god|church|pray\w*|faith|temple|mosque|religio\w+|believ\w+)\b/i,
    questions: [
      'What part did faith play in everyday life?',
      'How has what you believe changed over the years?',
      'Who passed that on to you?',
    ],
  },
  {
    match: /\b(?:travel\w*|trip|journey|train|ship|plane|flew|abroad|visited)\b/i,
    questions: [
      'What did you see on that journey that you had never seen before?',
      'Who travelled with you, and how did you get on?',
      'What did you bring home from it, in your bag or in your head?',
    ],
  },
  {
    match: /\b(?:friends?|friendship|gang|best mate|companion)\b/i,
    questions: [
      'How did that friendship begin?',
      'What could you tell each other that nobody else heard?',
      'What has become of that friendship?',
    ],
  },
  {
    match: /\b(?:dream\w*|hope[sd]?|wish(?:ed)?|plans?|future|wanted to (?:be|become))\b/i,
    questions: [
      'What became of that wish?',
      'Whom did you tell about it at the time?',
      'What stood in the way, and what helped?',
    ],
  },
  {
    match: /\b(?:afraid|scared|fear|frightened|nightmares?|worried|anxious|nervous)\b/i,
    questions: [
      'What was the worst of it, as you saw it then?',
      'What gave you courage?',
      'How do you look at that fear today?',
    ],
  },
  {
    match: /\b(?:proud|achiev\w+|won|prize|award|succe\w+|graduat\w+)\b/i,
    questions: [
      'What had it cost you to get there?',
      'Who was the first person you told?',
      'What did it change for you afterwards?',
    ],
  },
  {
    match: /\b(?:regret\w*|sorry|mistake|ashamed|guilty|if only)\b/i,
    questions: [
      'What would you do differently, knowing what you know now?',
      'What did you learn from it?',
      'Have you ever talked about that with the people concerned?',
    ],
  },
];
