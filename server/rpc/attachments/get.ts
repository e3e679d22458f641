import { getAttachment, toAttachment } from '@parley/db/repository/attachment';
import { type Attachment, attachmentInput } from '@parley/shared/attachment';
import { files } from '../guard.ts';

export const get = files
  .input(attachmentInput)
  .query(
    async ({ ctx, input }): Promise<Attachment> =>
      toAttachment(await getAttachment(ctx.app.db, ctx.owner, input.attachmentId)),
  );
