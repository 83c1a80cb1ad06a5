@path: '/a' service A { }
@path: '/a/' service B { } // error: service-path-clash
@path: '/a' @protocol: 'rest' service C { }
@path: '/a' @protocol: 'none' service D { }
@path: '/b?c' service E { } // error: service-path-form
@path: '../b' service F { } // error: service-path-form
@path: 5 service G { } // error: service-path-form
@path: null service H { }
service x.CatalogService { }
service y.Catalog { } // error: service-path-clash
@protocol: ['odata', 'rest'] @path: '/m' service M { }
@rest service N { }
@protocol: 'odata-v4' @path: '/m' service O { } // error: service-path-clash
