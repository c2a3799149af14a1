// A Vendure shop in memory, for TestVendure: node shop.js MODULES, where MODULES is the folder that holds node_modules. When
// its shelves are full it says on one line where it listens and what it sells. It ends with its standard input.
'use strict';

const { createRequire } = require('module');
const load = createRequire(process.argv[2] + '/');
const { bootstrap, mergeConfig, defaultConfig, DefaultLogger, LogLevel, RequestContextService, SearchService,
  DefaultSearchPlugin, JobQueueService, ChannelService, ZoneService, CountryService, TaxCategoryService, TaxRateService, ProductService,
  ProductOptionGroupService, ProductOptionService, ProductVariantService, LanguageCode } = load('@vendure/core');

const goods = ['Knife', 'Mug', 'Cap', 'Lamp', 'Book'];
const sizes = ['Small', 'Large'];

async function main() {
  const app = await bootstrap(mergeConfig(defaultConfig, {
    apiOptions: { hostname: '127.0.0.1', port: 0 },
    authOptions: { superadminCredentials: { identifier: 'admin', password: 'admin' }, tokenMethod: ['cookie', 'bearer'], cookieOptions: { secret: 'of no one' } },
    dbConnectionOptions: { type: 'sqljs', driver: load('sql.js'), synchronize: true, autoSave: false, logging: false },
    logger: new DefaultLogger({ level: LogLevel.Error }),
    plugins: [DefaultSearchPlugin.init({ bufferUpdates: false })],
  }));
  const of = service => app.get(service, { strict: false });
  const ctx = await of(RequestContextService).create({ apiType: 'admin' });
  const text = name => [{ languageCode: LanguageCode.en, name, slug: name.toLowerCase(), description: name + ', sold by weight' }];

  const country = await of(CountryService).create(ctx, { code: 'US', enabled: true, translations: [{ languageCode: LanguageCode.en, name: 'United States' }] });
  const zone = await of(ZoneService).create(ctx, { name: 'World', memberIds: [country.id] });
  const category = await of(TaxCategoryService).create(ctx, { name: 'Standard', isDefault: true });
  await of(TaxRateService).create(ctx, { name: 'None', enabled: true, value: 0, categoryId: category.id, zoneId: zone.id });
  const channel = await of(ChannelService).getDefaultChannel();
  await of(ChannelService).update(ctx, { id: channel.id, defaultTaxZoneId: zone.id, defaultShippingZoneId: zone.id });

  const filled = await of(RequestContextService).create({ apiType: 'admin' }); // the channel has a zone only now
  const variants = [];
  for (const name of goods) {
    const product = await of(ProductService).create(filled, { enabled: true, translations: text(name) });
    const group = await of(ProductOptionGroupService).create(filled, { code: name.toLowerCase() + '-size', translations: text('Size') });
    await of(ProductService).addOptionGroupToProduct(filled, product.id, group.id);
    for (const size of sizes) {
      const option = await of(ProductOptionService).create(filled, group.id, { code: size.toLowerCase(), productOptionGroupId: group.id, translations: text(size) });
      const [variant] = await of(ProductVariantService).create(filled, [{
        productId: product.id, sku: name.toUpperCase() + '-' + size[0], price: 1000, taxCategoryId: category.id, optionIds: [option.id],
        trackInventory: 'FALSE', translations: text(name + ' ' + size),
      }]);
      variants.push({ id: String(variant.id), product: String(product.id), sku: variant.sku });
    }
  }
  await of(JobQueueService).start();
  await of(SearchService).reindex(filled);
  console.log(JSON.stringify({ port: String(app.getHttpServer().address().port), variants }));
}

process.stdin.on('end', () => process.exit(0)).resume(); // however the test ends
main().catch(err => {
  console.error(err);
  process.exit(1);
});
