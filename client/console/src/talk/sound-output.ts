import { type AudioOutput, webAudioOutput } from '@parley/client/player/output';
import { useEffect, useState } from 'react';

let made: AudioOutput | undefined;

/** A finger counts as touching the page when it leaves it, a mouse when it is pressed. */
const touches = ['pointerdown', 'pointerup', 'click', 'keydown'] as const;

/** One for the page. A browser lets it sound once somebody has touched the page. */
function pageOutput(): AudioOutput {
  made ??= webAudioOutput(new AudioContext({ latencyHint: 'interactive' }));
  return made;
}

/**
 * Where answers are heard: in the window that somebody used last, once they have used one. Two windows with the same
 * conversation would say everything twice.
 */
export function useSoundOutput(): AudioOutput | null {
  const [output, setOutput] = useState<AudioOutput | null>(null);
  useEffect(() => {
    const channel = new BroadcastChannel('parley.sound');
    let isOurs = false;
    const take = (): void => {
      const page = pageOutput();
      // Each time: it may be ours by something that did not count, as when somebody scrolls.
      if (page.isBlocked) page.enable?.().catch(() => {});
      if (isOurs) return;
      isOurs = true;
      channel.postMessage('taken');
      setOutput(page);
    };
    channel.onmessage = () => {
      isOurs = false;
      setOutput(null);
    };
    // The page it was begun in goes on being the one that is used, also when another conversation is opened in it.
    if (navigator.userActivation?.hasBeenActive && document.hasFocus()) take();
    for (const touch of touches) document.addEventListener(touch, take);
    return () => {
      for (const touch of touches) document.removeEventListener(touch, take);
      channel.close();
    };
  }, []);
  return output;
}
