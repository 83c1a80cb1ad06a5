@requires: 'authenticated_user' service A { } // warning: restrict-role-spelling
@requires: 'Any' service B { } // warning: restrict-role-spelling
@requires: ['System User', 'internal-users'] service C { } // warning: restrict-role-spelling, warning: restrict-role-spelling
@requires: 'any' service D { }
@requires: 'admin' service E { }
@restrict: [{ to: ['Admin', 'Viewer', 'reader'] }] service F { } // warning: restrict-role-spelling
@restrict: [{ to: 'admin' }, { to: 'Reader1' }] service G { }
