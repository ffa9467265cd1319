/** How the routes of this directory are typed: by the TypeBox schemas they declare. */
import type { StaticDecode, StaticEncode, TSchema } from '@sinclair/typebox';
import type {
  FastifyPluginAsync,
  FastifyPluginOptions,
  FastifyTypeProvider,
  RawServerDefault,
} from 'fastify';

/** Handlers get what `validation.ts` has read, ids canonical, and give what the wire is to say. */
export interface SchemaTypes extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? StaticDecode<this['schema']> : unknown;
  serializer: this['schema'] extends TSchema ? StaticEncode<this['schema']> : unknown;
}

/** Some routes, to be registered together. */
export type Routes = FastifyPluginAsync<FastifyPluginOptions, RawServerDefault, SchemaTypes>;
