import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { type ApiClient, expectSuccess } from './api-client.ts';
