import { createRequire } from 'node:module';
import { AwsS3StorageAdapter } from '@flystorage/aws-s3';
import { AdapterStore } from './adapter.ts';
import type { FileStore } from './port.ts';

type S3Client = ConstructorParameters<typeof AwsS3StorageAdapter>[0];

/** What a `s3:` URL says. */
export interface S3Location {
  bucket: string;
  prefix: string;
  region: string;
  /** Of a service that is not Amazon's. */
  endpoint: string | undefined;
  /** Without them the SDK looks where it always does: environment, profile, the machine's role. */
  credentials: { accessKeyId: string; secretAccessKey: string } | undefined;
}

/** Memory that one upload may take is two parts. S3 takes none under 5 MB. */
const uploads = { partSize: 5 * 1024 * 1024, queueSize: 1 };

/** Attempts, and milliseconds until a connection, until an answer and between two pieces of it. */
const patience = {
  maxAttempts: 3,
  requestHandler: {
    connectionTimeout: 3_000,
    requestTimeout: 30_000,
    // Without this a request that is late is only spoken of.
    throwOnRequestTimeout: true,
    socketTimeout: 30_000,
  },
};

/**
 * Reads `s3://bucket/prefix?region=…&endpoint=…`; a key and its secret may stand before the bucket as `key:secret@`.
 * @throws Error whose message names the variable and holds no value
 */
export function s3Location(url: string): S3Location {
  const { hostname: bucket, pathname, searchParams, username, password } = new URL(url);
  const endpoint = searchParams.get('endpoint') ?? undefined;
  const isWeb = endpoint === undefined || ['http:', 'https:'].includes(URL.parse(endpoint)?.protocol ?? '');
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || !isWeb || (username === '') !== (password === ''))
    throw new Error(
      'STORAGE_URL must be like s3://bucket/prefix?region=eu-west-1 (endpoint=https://… for another service)',
    );
  return {
    bucket,
    prefix: decode(pathname).replace(/^\/+|\/+$/g, ''),
    region: searchParams.get('region') ?? 'us-east-1',
    endpoint,
    credentials: username === '' ? undefined : { accessKeyId: decode(username), secretAccessKey: decode(password) },
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error('STORAGE_URL has a % that is not followed by two hexadecimal digits of UTF-8');
  }
}

/** Files in a bucket of S3, or of a service that speaks like it. */
export function s3Store(url: string): FileStore {
  const { bucket, prefix, region, endpoint, credentials } = s3Location(url);
  const client = connect({
    region,
    ...patience,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    ...(credentials && { credentials }),
    // Services that are not Amazon's know no checksums in trailers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const adapter = new AwsS3StorageAdapter(client, { bucket, prefix, region, uploadConfiguration: uploads });
  return new AdapterStore(() => adapter, { close: () => client.destroy() });
}

/** The SDK is the adapter's own, so that there are not two of them. */
function connect(options: object): S3Client {
  const sdk: unknown = createRequire(import.meta.resolve('@flystorage/aws-s3'))('@aws-sdk/client-s3');
  return Reflect.construct(Reflect.get(Object(sdk), 'S3Client'), [options]);
}
