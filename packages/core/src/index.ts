export * from './base/index.ts';
export * from './dma/index.ts';
export * from './iommu/index.ts';
export * from './iova/index.ts';
export * from './machine/index.ts';
export * from './mem/index.ts';
export * from './policy/index.ts';
export * from './swiotlb/index.ts';
