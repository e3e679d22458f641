import { useRecorder } from '@parley/client/react';
import { type ReactNode, useCallback } from 'react';
import { Pressable, Text } from 'react-native';
import { microphone, parley } from './client.ts';
import { useForeground } from './foreground.ts';
import { useStyles } from './styles.ts';

/** Records while it is held. What is said is sent while it is said; `onTalk` stops the answer that is being given. */
export function TalkButton({ conversationId, onTalk }: { conversationId: string; onTalk(): void }): ReactNode {
  const styles = useStyles();
  const { state, level, pending, error, failure, start, stop, retry } = useRecorder({
    conversationId,
    source: microphone,
  });
  const isRecording = state === 'starting' || state === 'recording';

  // What goes wrong is in the hook's state.
  const begin = (): void => {
    onTalk();
    start().catch(() => {});
  };
  const end = useCallback(() => void stop().catch(() => {}), [stop]);
  useForeground({
    onForeground: useCallback(() => parley.wake(), []),
    onBackground: useCallback(() => {
      if (isRecording) end();
    }, [isRecording, end]),
  });

  // What can never be sent, or was nothing, is no reason not to say the next thing.
  if (state === 'failed' && pending > 0)
    return (
      <Pressable accessibilityRole="button" style={styles.button} onPress={() => void retry().catch(() => {})}>
        <Text style={styles.buttonText}>{failure?.message ?? 'Not sent'}. Try again</Text>
      </Pressable>
    );
  return (
    <Pressable
      accessibilityRole="button"
      accessibilityLabel="Hold to talk"
      style={[styles.button, { opacity: isRecording ? 0.5 + level / 2 : 1 }]}
      onPressIn={begin}
      onPressOut={end}
    >
      <Text style={styles.buttonText}>{labelOf(isRecording, pending, failure ?? error)}</Text>
    </Pressable>
  );
}

function labelOf(isRecording: boolean, pending: number, error: unknown): string {
  if (isRecording) return 'Listening…';
  if (pending > 0) return `Sending ${pending}…`;
  return error instanceof Error ? error.message : 'Hold to talk';
}
