import { embeddedSecret } from '@parley/server/account/secret';
import { signToken } from '@parley/server/account/token';

export type Mint = {
  user: string;
  tenant?: string | undefined;
  admin?: boolean | undefined;
  /** Seconds that the token lasts; a day by default. */
  lifetime?: number | undefined;
  /** What the server expects, when it expects any. */
  issuer?: string | undefined;
  audience?: string | undefined;
} & ({ secret: string } | { dataDir: string });

/** An access token for whoever may read the server's secret. Needs no server: the embedded mode's secret is made if need be. */
export async function mintToken(mint: Mint): Promise<string> {
  return signToken({
    secret: 'secret' in mint ? mint.secret : await embeddedSecret(mint.dataDir),
    user: mint.user,
    tenant: mint.tenant ?? 'default',
    lifetime: mint.lifetime ?? 24 * 3600,
    issuer: mint.issuer,
    audience: mint.audience,
    ...(mint.admin && { roles: ['admin'] }),
  });
}
