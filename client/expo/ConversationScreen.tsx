import { useConnection, useConversation, usePlayer, useResendRecording } from '@parley/client/react';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { FlatList, KeyboardAvoidingView, Platform, Pressable, Text, TextInput, View } from 'react-native';
import { speaker } from './client.ts';
import { type Line, linesOf } from './lines.ts';
import { useStyles } from './styles.ts';
import { TalkButton } from './TalkButton.tsx';

export function ConversationScreen({ id, onBack }: { id: string; onBack(): void }): ReactNode {
  const styles = useStyles();
  const [text, setText] = useState('');
  const { isOnline } = useConnection();
  const conversation = useConversation(id);
  const { data, outgoing, error, send, resend, interrupt, fetchPreviousPage, hasPreviousPage } = conversation;
  usePlayer({ conversationId: id, output: speaker });
  const recordings = useResendRecording(id);
  const lines = useMemo(() => linesOf({ data, outgoing }), [data, outgoing]);

  const open = conversation.open.mutate;
  useEffect(() => open(undefined), [open]);

  /** A recording without a message is sent again from here, if it is here; any other turn is tried again by the server. */
  const againOf = ({ failed }: Line): (() => void) | undefined => {
    if (!failed || failed.retryable === false) return undefined;
    if (failed.voiceSessionId === undefined) return () => conversation.retry.mutate(failed.turnId);
    return recordings.canResend(failed) ? () => recordings.resend.mutate(failed) : undefined;
  };
  const problem = conversation.retry.error ?? recordings.resend.error;

  const say = (): void => {
    if (text.trim() === '') return;
    send.mutate(text);
    setText('');
  };
  return (
    <KeyboardAvoidingView style={styles.fill} behavior={Platform.OS === 'ios' ? 'padding' : 'height'}>
      <View style={styles.bar}>
        <Pressable accessibilityRole="button" style={styles.button} onPress={onBack}>
          <Text style={styles.buttonText}>Back</Text>
        </Pressable>
        <Text style={styles.title} numberOfLines={1}>
          {data?.conversation?.title ?? 'Conversation'}
        </Text>
      </View>
      {!isOnline && <Text style={styles.notice}>Offline. What you say is sent when the network is back.</Text>}
      {error && <Text style={styles.notice}>{error.message}</Text>}
      {problem && <Text style={styles.notice}>{problem.message}</Text>}
      <FlatList
        inverted
        style={styles.fill}
        data={lines}
        keyExtractor={({ key }) => key}
        onEndReached={() => hasPreviousPage && void fetchPreviousPage()}
        renderItem={({ item }) => (
          <View style={[styles.bubble, item.isOwn && styles.own]}>
            <Text style={[styles.text, item.isFaint && styles.faint]}>{item.text}</Text>
            {item.failedTurnId !== undefined && (
              <Pressable accessibilityRole="button" onPress={() => resend.mutate(item.failedTurnId ?? '')}>
                <Text style={styles.buttonText}>Not sent. Try again</Text>
              </Pressable>
            )}
            {againOf(item) && (
              <Pressable accessibilityRole="button" onPress={againOf(item)}>
                <Text style={styles.buttonText}>Try again</Text>
              </Pressable>
            )}
          </View>
        )}
      />
      {data?.turn && (
        <Pressable accessibilityRole="button" style={styles.button} onPress={() => interrupt.mutate(undefined)}>
          <Text style={styles.buttonText}>Stop</Text>
        </Pressable>
      )}
      {data && data.status !== 'active' ? (
        <Text style={styles.notice}>This conversation {data.status === 'ended' ? 'has ended' : 'was deleted'}.</Text>
      ) : (
        <View style={styles.bar}>
          <TextInput
            style={styles.input}
            accessibilityLabel="Message"
            value={text}
            onChangeText={setText}
            onSubmitEditing={say}
            returnKeyType="send"
          />
          <TalkButton conversationId={id} onTalk={() => interrupt.mutate(undefined)} />
        </View>
      )}
    </KeyboardAvoidingView>
  );
}
