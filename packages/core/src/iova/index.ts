export { IovaDomain } from './iova-domain.ts';
export { IOVA_DEPOT_DELAY_NS, IOVA_RANGE_CACHE_MAX_SIZE, type IovaDomainParameters, iovaDomainParameters } from './parameters.ts';
