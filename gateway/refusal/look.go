package refusal

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"image"
	_ "image/jpeg" // a logo may be one
	_ "image/png"  // a logo may be one
	"io"
	"strings"
)

//go:embed style.css
var styleSource string

// look is what makes the page the shop's own.
type look struct {
	style    template.CSS
	logo     template.URL
	logoDark template.Srcset
}

const (
	// MostLogo bounds a logo's file, in bytes.
	MostLogo = 32 << 10
	// mostPixels bounds a logo's width and height.
	mostPixels = 2048
)

// newLook checks the colors and the logos. Its error joins all that is wrong with them.
func newLook(cfg *Config) (look, error) {
	var errs [5]error
	light, chip, err := cfg.Light.variables("colors", lightDefaults)
	errs[0] = err
	dark, _, err := cfg.Dark.variables("dark_colors", darkDefaults)
	errs[1] = err
	logo, err := embedLogo("logo", cfg.Logo)
	errs[2] = err
	logoDark, err := embedLogo("logo_dark", cfg.LogoDark)
	errs[3] = err
	if logo == "" && logoDark != "" {
		errs[4] = &Fault{"logo_dark", "logo_dark has no logo beside it; name both, or logo alone"}
	}
	if logo != "" && cfg.Name == "" {
		errs[4] = &Fault{"logo", "the logo has no name for those who do not see it; write the shop's name under refusal.name"}
	}
	style := strings.NewReplacer("{light}", light, "{dark}", dark, "{chip}", chip.String()).Replace(styleSource)
	return look{template.CSS(style), template.URL(logo), template.Srcset(logoDark)}, errors.Join(errs[:]...)
}

// embedLogo returns a picture as a data: URL. It is empty for none.
func embedLogo(key string, picture []byte) (string, error) {
	if len(picture) == 0 {
		return "", nil
	}
	mediaType, err := pictureType(picture)
	if err != nil {
		return "", &Fault{key, fmt.Sprintf("%s %v", key, err)}
	}
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(picture), nil
}

// pictureType returns the media type of a picture by its content, or says why it cannot be a logo.
func pictureType(picture []byte) (string, error) {
	if len(picture) > MostLogo {
		return "", fmt.Errorf("has more than %d bytes; use a smaller picture, such as an SVG", MostLogo)
	}
	shape, kind, err := image.DecodeConfig(bytes.NewReader(picture))
	if kind != "png" && kind != "jpeg" { // other packages may have taught it more
		err = image.ErrFormat
	}
	switch {
	case err == nil && (shape.Width > mostPixels || shape.Height > mostPixels):
		return "", fmt.Errorf("is %d by %d pixels; it is shown at 56 pixels of height, so make it no larger than %d by %[3]d", shape.Width, shape.Height, mostPixels)
	case err == nil && shape.Width > 0 && shape.Height > 0:
		return "image/" + kind, nil
	case bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(picture, []byte("\ufeff")), " \t\r\n"), []byte("<")):
		return "image/svg+xml", checkSVG(picture)
	}
	return "", errors.New("is neither PNG nor JPEG nor SVG; convert it to one of them")
}

// mostElements bounds an SVG.
const mostElements = 2000

// checkSVG says why an SVG cannot be a logo. A browser runs no script in a picture and fetches nothing for it, and the
// page's policy forbids it once more; what has either was not made to be one.
func checkSVG(picture []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for n := 0; ; {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case err != nil:
			return fmt.Errorf("is no SVG: %w; save it as SVG, PNG or JPEG", err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return errors.New("has a DOCTYPE or entities; save it as plain SVG")
		case xml.StartElement:
			name := strings.ToLower(token.Name.Local)
			if n++; n == 1 && (name != "svg" || token.Name.Space != "http://www.w3.org/2000/svg") {
				return errors.New("is no SVG: it does not begin with <svg xmlns=\"http://www.w3.org/2000/svg\">; save it as plain SVG")
			}
			if n > mostElements {
				return fmt.Errorf("has more than %d elements; simplify it", mostElements)
			}
			if wrong := foreign(name, token.Attr); wrong != "" {
				return fmt.Errorf("has %s, which a picture cannot use; save it as plain SVG", wrong)
			}
		}
	}
}

// foreign names what of an SVG element is more than a picture.
func foreign(name string, attributes []xml.Attr) string {
	if name == "script" || name == "foreignobject" || name == "iframe" {
		return "the element " + name
	}
	for _, a := range attributes {
		key, value := strings.ToLower(a.Name.Local), strings.ToLower(strings.TrimSpace(a.Value))
		switch {
		case strings.HasPrefix(key, "on"):
			return "the attribute " + key
		case key == "href" && !strings.HasPrefix(value, "#") && !strings.HasPrefix(value, "data:image/"):
			return "a link to outside"
		case strings.Contains(value, "url(") && !strings.Contains(value, "url(#"):
			return "a reference to outside"
		}
	}
	return ""
}
