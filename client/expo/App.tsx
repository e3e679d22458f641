import { ParleyProvider } from '@parley/client/react';
import { StatusBar } from 'expo-status-bar';
import { type ReactNode, useState } from 'react';
import { SafeAreaView, StyleSheet, useColorScheme } from 'react-native';
import { ConversationScreen } from './ConversationScreen.tsx';
import { parley } from './client.ts';
import { ListScreen } from './ListScreen.tsx';

export function App(): ReactNode {
  const [conversationId, setConversationId] = useState<string>();
  const isDark = useColorScheme() === 'dark';
  return (
    <ParleyProvider parley={parley}>
      <SafeAreaView style={[styles.page, isDark && styles.dark]}>
        <StatusBar style="auto" />
        {conversationId === undefined ? (
          <ListScreen onOpen={setConversationId} />
        ) : (
          <ConversationScreen id={conversationId} onBack={() => setConversationId(undefined)} />
        )}
      </SafeAreaView>
    </ParleyProvider>
  );
}

const styles = StyleSheet.create({
  page: { flex: 1, backgroundColor: '#ffffff' },
  dark: { backgroundColor: '#111111' },
});
