import { type AudioOutput, webAudioOutput } from '@parley/client/player/output';
import { useEffect, useState } from 'react';

let made: AudioOutput | undefined;

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
      if (isOurs) return;
      isOurs = true;
      channel.postMessage('taken');
      const page = pageOutput();
      void page.enable?.();
      setOutput(page);
    };
    channel.onmessage = () => {
      isOurs = false;
      setOutput(null);
    };
    // The page it was begun in goes on being the one that is used, also when another conversation is opened in it.
    if (navigator.userActivation?.hasBeenActive && document.hasFocus()) take();
    document.addEventListener('pointerdown', take);
    document.addEventListener('keydown', take);
    return () => {
      document.removeEventListener('pointerdown', take);
      document.removeEventListener('keydown', take);
      channel.close();
    };
  }, []);
  return output;
}
