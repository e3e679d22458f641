import { me } from './account/me.ts';
import { updateProfile } from './account/update-profile.ts';
import { get as getAttachment } from './attachments/get.ts';
import { upload } from './attachments/upload.ts';
import { create } from './conversations/create.ts';
import { remove } from './conversations/delete.ts';
import { end } from './conversations/end.ts';
import { events } from './conversations/events.ts';
import { exportConversation } from './conversations/export.ts';
import { forContext } from './conversations/for-context.ts';
import { get } from './conversations/get.ts';
import { list } from './conversations/list.ts';
import { messages } from './conversations/messages.ts';
import { open } from './conversations/open.ts';
import { rename } from './conversations/rename.ts';
import { capabilities } from './system/capabilities.ts';
import { ping } from './system/ping.ts';
import { router } from './trpc.ts';
import { ask } from './turns/ask.ts';
import { get as getTurn } from './turns/get.ts';
import { interrupt } from './turns/interrupt.ts';
import { reportPlayback } from './turns/report-playback.ts';
import { retry } from './turns/retry.ts';
import { send } from './turns/send.ts';
import { stopSpeaking } from './turns/stop-speaking.ts';
import { cancelRecording } from './voice/cancel-recording.ts';
import { recordingStarted } from './voice/recording-started.ts';
import { sendMessage } from './voice/send-message.ts';
import { sendSegment } from './voice/send-segment.ts';
import { transcribe } from './voice/transcribe.ts';

export const appRouter = router({
  system: router({ ping, capabilities }),
  account: router({ me, updateProfile }),
  attachments: router({ upload, get: getAttachment }),
  conversations: router({
    create,
    forContext,
    list,
    get,
    messages,
    open,
    rename,
    end,
    delete: remove,
    events,
    export: exportConversation,
  }),
  turns: router({ send, ask, interrupt, stopSpeaking, reportPlayback, get: getTurn, retry }),
  voice: router({ recordingStarted, cancelRecording, sendSegment, sendMessage, transcribe }),
});

/** What clients are typed by. */
export type AppRouter = typeof appRouter;
