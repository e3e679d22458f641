import type { Language } from '../language.ts';

export const about: Language['about'] = {
  person: [
    'What is your clearest picture of {person}?',
    'How would you describe {person} to someone who has never met them?',
    'What did you learn from {person}, perhaps without either of you noticing?',
    'What did an ordinary day with {person} look like?',
    'Which habit of {person} do you still find in yourself?',
    'What would you like to say to {person} today?',
    'When were you and {person} closest?',
    'What did {person} never talk about?',
  ],
  place: [
    'What comes to mind first when you think of {place}?',
    'Which corner of {place} would you show me first?',
    'Who were the people around you in {place}?',
    'What did the days sound and smell like in {place}?',
    'What part of {place} have you carried with you since?',
  ],
  year: [
    'What else was going on in your life around {year}?',
    'What did the world look like to you in {year}?',
    'Who mattered most to you in {year}?',
  ],
};

export const openers: readonly string[] = [
  'What is the earliest thing you remember?',
  'Where does your story begin?',
  'Which place do you think of when you hear the word home?',
  'Who brought you up, and what were they like?',
  'What did you like doing most when you were a child?',
  'Which day of your life would you like to live once more?',
  'Who has had the greatest influence on you?',
  'What work have you done in your life, and how did you come to it?',
  'Which decision changed the course of your life?',
  'What was hardest for you, and what carried you through it?',
  'What are you doing these days that gives you pleasure?',
  'Which object in your home has a story?',
  'What was going on in the world that you felt in your own life?',
  'What did you believe at twenty that you no longer believe?',
  'What would you like those who come after you to know?',
];

export const deepeners: readonly string[] = [
  'How did that come about?',
  'What was going through your mind at that moment?',
  'Who else was there?',
  'What happened next?',
  'Can you take me to one particular moment of it?',
  'What did you feel then, and what do you feel about it now?',
  'What would a photograph of that show?',
  'Did you know at the time how much it would matter?',
  'What did the others make of it?',
  'What makes that important to you?',
  'How did things change after that?',
  'What do most people not know about that?',
  'Where in your life does that belong?',
  'What do you still wonder about it?',
];
