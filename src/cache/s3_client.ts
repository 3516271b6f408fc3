import { sha256Hex } from "../fs/checksum.ts";
import type { AwsV4Signer } from "aws4fetch";
import { answerText, failureCode } from "./s3_answers.ts";
import type { S3Location } from "./s3_location.ts";
import {
  StoreClient,
  type StoreClientOptions,
  type StoreRequest,
} from "./store_client.ts";

/** Credentials of an S3 server. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A request about a bucket or an object in it. */
export interface S3Request {
  readonly method: StoreRequest["method"];
  /**
   * Key of the object.
   *
   * @default {the bucket}
   */
  readonly key?: string;
  /** @default {{}} */
  readonly query?: Readonly<Record<string, string>>;
  /** @default {none} */
  readonly headers?: HeadersInit;
  /** @default {none} */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Statuses other than 2xx that are not failures. */
  readonly answers?: readonly number[];
}

/**
 * Sends signed requests to one bucket. The hash of each body is signed, so that the
 * server stores exactly the bytes that were sent.
 */
export class S3Client {
  readonly #location: S3Location;
  readonly #credentials: S3Credentials;
  readonly #client: StoreClient;
  /** Signing keys by day. */
  readonly #keys = new Map<string, ArrayBuffer>();

  constructor(
    location: S3Location,
    credentials: S3Credentials,
    options: StoreClientOptions = {},
  ) {
    this.#location = location;
    this.#credentials = credentials;
    this.#client = new StoreClient(options);
  }

  /** Sends a request, see {@linkcode StoreClient.send}. */
  async send<T>(
    request: S3Request,
    read: (response: Response) => T | Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return await this.#client.send(
      (stop) => {
        stop.progress(request.body?.length);
        // Each attempt is signed with its own time.
        return this.#sign(request, new Headers(request.headers));
      },
      read,
      signal,
    );
  }

  /** Downloads an object, see {@linkcode StoreClient.download}. */
  async download(
    key: string,
    { maxBytes, signal, onAnswer }: {
      maxBytes: number;
      signal: AbortSignal;
      /** Called with the response if the object exists. */
      onAnswer: (response: Response) => void;
    },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    return await this.#client.download(
      async (headers) => ({
        ...await this.#sign({ method: "GET", key, answers: [404] }, headers),
        onAnswer,
      }),
      maxBytes,
      signal,
    );
  }

  async #sign(request: S3Request, headers: Headers): Promise<StoreRequest> {
    const { method, key, query = {}, body, answers } = request;
    const { bucketUrl, region } = this.#location;
    const path = key === undefined ? "" : `/${encodeKey(key)}`;
    const url = new URL(bucketUrl + path);
    for (const [name, value] of Object.entries(query)) {
      url.searchParams.set(name, value);
    }
    headers.set("x-amz-content-sha256", await sha256Hex(body ?? ""));
    const signer = await this.#signer({ method, url, headers, region });
    const signed = await signer.sign();
    return {
      method,
      url: signed.url,
      headers: signed.headers,
      body,
      answers,
      readFailure: async (response) => failureCode(await answerText(response)),
    };
  }

  async #signer(
    { method, url, headers, region }: {
      method: string;
      url: URL;
      headers: Headers;
      region: string;
    },
  ): Promise<AwsV4Signer> {
    const { AwsV4Signer } = await import("aws4fetch");
    return new AwsV4Signer({
      method,
      url: url.href,
      headers,
      ...this.#credentials,
      service: "s3",
      region,
      cache: this.#keys,
    });
  }
}

/** Encodes a key as the path of a URL. */
export function encodeKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}
