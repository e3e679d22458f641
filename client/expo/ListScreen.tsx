import { useConversations, useCreateConversation } from '@parley/client/react';
import type { ReactNode } from 'react';
import { ActivityIndicator, FlatList, Pressable, Text } from 'react-native';
import { useStyles } from './styles.ts';

export function ListScreen({ onOpen }: { onOpen(id: string): void }): ReactNode {
  const styles = useStyles();
  const { data, error, isPending, hasNextPage, fetchNextPage, refetch, isRefetching } = useConversations();
  const create = useCreateConversation();
  const begin = (): void => create.mutate(undefined, { onSuccess: ({ id }) => onOpen(id) });
  if (isPending) return <ActivityIndicator style={styles.fill} />;
  return (
    <>
      <Pressable accessibilityRole="button" style={styles.button} disabled={create.isPending} onPress={begin}>
        <Text style={styles.buttonText}>New conversation</Text>
      </Pressable>
      {(error ?? create.error) && <Text style={styles.notice}>{(error ?? create.error)?.message}</Text>}
      <FlatList
        style={styles.fill}
        data={data?.items ?? []}
        keyExtractor={({ id }) => id}
        refreshing={isRefetching}
        onRefresh={() => void refetch()}
        onEndReached={() => hasNextPage && void fetchNextPage()}
        renderItem={({ item }) => (
          <Pressable accessibilityRole="button" style={styles.row} onPress={() => onOpen(item.id)}>
            <Text style={styles.title}>{item.title ?? 'Untitled'}</Text>
            {item.preview !== null && (
              <Text style={styles.faint} numberOfLines={1}>
                {item.preview}
              </Text>
            )}
          </Pressable>
        )}
      />
    </>
  );
}
