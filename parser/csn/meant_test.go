package csn

import (
	"strings"
	"testing"

	"cds/parser/cqn"
)

// TestMeantAnnotation: what is clearly meant as an annotation of ours is told from what is somebody's own.
func TestMeantAnnotation(t *testing.T) {
	yes, text := &cqn.AnnoValue{Kind: cqn.AnnoTrue}, &cqn.AnnoValue{Kind: cqn.AnnoString, Text: "x"}
	list := &cqn.AnnoValue{Kind: cqn.AnnoArray, Items: []*cqn.AnnoValue{text, {Kind: cqn.AnnoStruct, Fields: []cqn.AnnoField{{Name: "to", Value: text}}}}}
	for _, c := range []struct {
		want  string
		names string
		value *cqn.AnnoValue
	}{
		{"requires", "require Requires reqiures REQUIRES requirse required required.x requires_", text},
		{"restrict", "Restrict restricts restricted retsrict restict restrict_ restric", text},
		{"restrict", "restriction restrictions.x RestrictedTo", list},
		{"restrict", "restriction.grant restrictions#to Restricted", text},
		{"mask", "Mask MASK maks msk maske masks masked Masking mask_", text},
		{"encrypted", "encrypt Encrypted encryption Encryption encripted encryptd crypted encrypted_ encrypts Encrypted.by", text},
		{"hash", "Hash hashed Hashes hsah hassh hash_", text},
		{"tenant", "Tenant TENANT tennant tenat tenent", yes},
		{"", "requires restrict mask encrypted hash tenant requires.x mask.unless encrypted.x hash#x tenant.x", text},
		{"", "required required.x Required strict district resist retires", yes},
		{"", "restriction restrictions requirement requirements requiresApproval requireLogin restrictedTo", text},
		{"", "mark task Task cash dash has maskInput maskedBy mass hashtag hashCode hashtags harsh", text},
		{"", "encryptionHint encr encryptedBy unencrypted decrypted encoded tenants tenantId tenancy", text},
		{"", "readonly cds.autoexpose Common.Masked UI.Hidden title description changelog odata.etag assert.unique", list},
		{"", strings.Repeat("restrict", 1000) + " # . .a ä", text},
	} {
		for _, n := range strings.Fields(c.names) {
			if got := MeantAnnotation(&cqn.AnnoField{Name: n, Value: c.value}); got != c.want {
				t.Errorf("@%.40s: %q, want %q", n, got, c.want)
			}
		}
	}
	if MeantAnnotation(&cqn.AnnoField{Name: "restrictions"}) != "" || MeantAnnotation(&cqn.AnnoField{Name: "Mask"}) != "mask" {
		t.Error("annotations without value")
	}
}
