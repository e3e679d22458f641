import { type Command, print, UsageError } from './command.ts';
import { parse, signer } from './session.ts';
import { mintToken } from './token.ts';

export const tokenCommand: Command = {
  summary: 'make an access token',
  help: `usage: npm run parley -- token --user USER [options]

Makes an access token with the server's secret (AUTH_JWT_SECRET, else the one in DATA_DIR) and prints it. Needs no server.

  --user USER         whose token it is
  --tenant TENANT     the user's tenant (default)
  --admin             the user may administer the tenant
  --lifetime SECONDS  how long it lasts (86400)`,
  async run(args) {
    const { values } = parse(args, {
      user: { type: 'string' },
      tenant: { type: 'string' },
      admin: { type: 'boolean' },
      lifetime: { type: 'string' },
    });
    const { user, tenant, admin, lifetime } = values;
    if (!user) throw new UsageError('--user is missing');
    if (lifetime !== undefined && !/^[1-9]\d{0,9}$/.test(lifetime)) throw new UsageError('--lifetime is in seconds');
    const seconds = lifetime === undefined ? undefined : Number(lifetime);
    await print(`${await mintToken({ ...signer(), user, tenant, admin, lifetime: seconds })}\n`);
    return 0;
  },
};
