import { type UseMutationResult, useMutation } from '@tanstack/react-query';
import type { ParleyFailure } from '../failure.ts';
import { useParleyContext } from './provider.tsx';

export type Mutation<Data, Variables = void> = UseMutationResult<Data, ParleyFailure, Variables>;

/** A mutation of the core, which itself knows what to try again and when the network is there. */
export function useCall<Data, Variables = void>(
  call: (variables: Variables) => Promise<Data>,
  onSuccess?: () => void,
): Mutation<Data, Variables> {
  const { queryClient } = useParleyContext();
  return useMutation<Data, ParleyFailure, Variables>(
    { mutationFn: call, networkMode: 'always', retry: false, ...(onSuccess && { onSuccess }) },
    queryClient,
  );
}
